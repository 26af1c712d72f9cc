// libjose's headers for C++: they lack the linkage themselves. What they include comes first.
#pragma once

#include <jansson.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

extern "C" {
#include <jose/b64.h>
#include <jose/io.h>
#include <jose/jwe.h>
#include <jose/jwk.h>
#include <jose/jws.h>
#include <jose/openssl.h>
}
