// When the heap asks for huge pages. They made steps 1 to 3 % faster (less looking up of addresses;
// as measured, within the noise). But the system clears one whole at its first touch, and in a
// virtual machine whose host takes unused memory back it must fetch all of it from there: measured
// on such a one, 3 s per GiB, where small pages cost 0.5 s. Training therefore starts in small
// pages; what it holds is gathered into huge ones by the system, at its leisure, once the first
// step is done.
#pragma once

namespace slmtune::kernels {

// For what the heap holds, and for what it grows by. Nothing is mapped apart from it then
// (device.h: prepare_process).
void use_huge_pages();

// prepare_process() asks for none from now on.
void leave_huge_pages_for_later();
bool are_huge_pages_for_later();

}  // namespace slmtune::kernels
