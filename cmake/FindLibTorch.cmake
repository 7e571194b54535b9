# LibTorch as two imported targets, without find_package(Torch): that one demands the CUDA language, probes for a GPU
# and links everything, which costs 2 s at each start of a program.
#
#   LibTorch::headers   what compiling needs, as SYSTEM
#   LibTorch::cpu       adds torch_cpu and c10
#   LibTorch::cuda      adds torch_cuda and c10_cuda (only the CUDA module links it)
#
# Set LIBTORCH_DIR to a folder with include/ and lib/: the `torch` folder of a PyPI wheel or an unpacked libtorch zip.
if(NOT LIBTORCH_DIR)
  file(GLOB _libtorch_candidates
    "${CMAKE_SOURCE_DIR}/.deps/venv/lib/python3*/site-packages/torch" "${CMAKE_SOURCE_DIR}/.deps/libtorch")
  foreach(_candidate IN LISTS _libtorch_candidates)
    if(EXISTS "${_candidate}/lib/libtorch_cpu.so")
      set(LIBTORCH_DIR "${_candidate}" CACHE PATH "Folder with LibTorch's include/ and lib/" FORCE)
    endif()
  endforeach()
endif()

include(FindPackageHandleStandardArgs)
find_library(LIBTORCH_CPU_LIBRARY torch_cpu PATHS "${LIBTORCH_DIR}/lib" NO_DEFAULT_PATH)
find_library(LIBTORCH_C10_LIBRARY c10 PATHS "${LIBTORCH_DIR}/lib" NO_DEFAULT_PATH)
find_path(LIBTORCH_INCLUDE_DIR ATen/ATen.h PATHS "${LIBTORCH_DIR}/include" NO_DEFAULT_PATH)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LIBTORCH_CPU_LIBRARY LIBTORCH_C10_LIBRARY LIBTORCH_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "run scripts/setup.sh, or pass -DLIBTORCH_DIR=<folder with include/ and lib/>")

if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  add_library(LibTorch::headers INTERFACE IMPORTED)
  set_target_properties(LibTorch::headers PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${LIBTORCH_INCLUDE_DIR};${LIBTORCH_INCLUDE_DIR}/torch/csrc/api/include")
  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES
    IMPORTED_LOCATION "${LIBTORCH_C10_LIBRARY}"
    INTERFACE_LINK_LIBRARIES LibTorch::headers)
  add_library(LibTorch::cpu SHARED IMPORTED)
  set_target_properties(LibTorch::cpu PROPERTIES
    IMPORTED_LOCATION "${LIBTORCH_CPU_LIBRARY}"
    INTERFACE_LINK_LIBRARIES LibTorch::c10)
  if(EXISTS "${LIBTORCH_DIR}/lib/libtorch_cuda.so")
    add_library(LibTorch::cuda INTERFACE IMPORTED)
    set_target_properties(LibTorch::cuda PROPERTIES
      INTERFACE_LINK_LIBRARIES "LibTorch::cpu;${LIBTORCH_DIR}/lib/libtorch_cuda.so;${LIBTORCH_DIR}/lib/libc10_cuda.so")
  endif()
endif()
