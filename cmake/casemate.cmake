# What every target shares: warnings, hardening, and the two functions that make a folder a target.
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(CAPNG REQUIRED IMPORTED_TARGET libcap-ng)
pkg_check_modules(SELINUX REQUIRED IMPORTED_TARGET libselinux)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(ARCHIVE REQUIRED IMPORTED_TARGET libarchive)

add_library(casemate_options INTERFACE)
target_include_directories(casemate_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(casemate_options INTERFACE _GNU_SOURCE CASEMATE_VERSION="${PROJECT_VERSION}")
target_compile_options(casemate_options INTERFACE -Wall -Wextra -Wshadow -Wconversion
  -Wno-sign-conversion
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> -Wnon-virtual-dtor -Werror=return-type -Wno-missing-field-initializers
  -fstack-protector-strong -ffunction-sections -fdata-sections)
target_link_options(casemate_options INTERFACE -Wl,--gc-sections -Wl,-z,relro,-z,now,-z,noexecstack)
target_link_libraries(casemate_options INTERFACE nlohmann_json::nlohmann_json)
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_definitions(casemate_options INTERFACE $<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2>)
endif()
option(CASEMATE_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
if(CASEMATE_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
option(CASEMATE_FUZZ "Build the fuzz targets (clang) and no other test" OFF)
if(CASEMATE_FUZZ)
  set(ignored ${PROJECT_SOURCE_DIR}/tests/fuzz/ignored.txt)
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
  add_compile_options(-fsanitize=fuzzer-no-link -fsanitize-ignorelist=${ignored}
    -fsanitize-coverage-ignorelist=${ignored})
endif()

# pkg-config names shared libraries; a target with the property CASEMATE_STATIC gets the archives
# instead.
function(casemate_prefer_archives library)
  set(archives)
  foreach(name ${ARGN})
    find_library(CASEMATE_ARCHIVE_${name} ${name} REQUIRED)
    list(APPEND archives ${CASEMATE_ARCHIVE_${name}})
  endforeach()
  get_target_property(shared PkgConfig::${library} INTERFACE_LINK_LIBRARIES)
  set_target_properties(PkgConfig::${library} PROPERTIES INTERFACE_LINK_LIBRARIES
    "$<IF:$<BOOL:$<TARGET_PROPERTY:CASEMATE_STATIC>>,${archives},${shared}>")
endfunction()
if(NOT CASEMATE_SANITIZE)
  casemate_prefer_archives(SECCOMP libseccomp.a)
  casemate_prefer_archives(SODIUM libsodium.a)
  casemate_prefer_archives(CAPNG libcap-ng.a)
  casemate_prefer_archives(SELINUX libselinux.a libpcre2-8.a)
endif()

# casemate_static(TARGET): a program that every container start runs. It loads no library; its
# addresses are random all the same, by relocations that take a few cache lines. The linker would
# warn of functions in libcap-ng that look up users, which nothing here calls.
function(casemate_static target)
  if(NOT CASEMATE_SANITIZE)
    set_target_properties(${target} PROPERTIES CASEMATE_STATIC ON)
    target_link_options(${target} PRIVATE -static-pie
      -Wl,-z,pack-relative-relocs -Wl,--no-warnings)
  endif()
endfunction()

# casemate_library(NAME LIBS…): all .cc files of the folder except main.cc.
function(casemate_library name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC casemate_options ${ARGN})
  casemate_precompile(${name})
endfunction()

# Most files see the JSON library, half of their compile time: it is compiled once for all.
function(casemate_precompile name)
  if(name STREQUAL "casemate_base")
    target_precompile_headers(casemate_base PRIVATE <nlohmann/json.hpp> <expected> <map> <optional>
      <set> <span> <string> <string_view> <variant> <vector>)
  else()
    target_precompile_headers(${name} REUSE_FROM casemate_base)
  endif()
endfunction()

# casemate_test(FOLDER LIBS…): one GoogleTest program of all files of tests/unit/FOLDER.
function(casemate_test folder)
  string(REPLACE "/" "_" target ${folder}_test)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/unit/${folder}/*_test.cc)
  if(NOT sources)
    return()
  endif()
  add_executable(${target} ${sources})
  target_link_libraries(${target} PRIVATE ${ARGN} GTest::gtest_main)
  casemate_precompile(${target})
  target_compile_definitions(${target} PRIVATE CASEMATE_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    CASEMATE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  gtest_discover_tests(${target} DISCOVERY_MODE PRE_TEST PROPERTIES LABELS unit TIMEOUT 120)
endfunction()
