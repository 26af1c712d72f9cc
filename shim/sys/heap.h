// The heap of a program that runs for milliseconds.
#pragma once

#include <cstddef>

namespace casemate::sys {

// Makes the heap's next bytes present at once. Touched one by one each page is a fault, which costs
// two microseconds in a virtual machine: ten times as much. Nothing of it is given back before
// malloc_trim(3). Call it before the work begins; where it fails, the pages come one by one.
void populate_heap(std::size_t bytes);

}  // namespace casemate::sys
