// What this machine does in a second at the work of a model: large products, products of its
// layers' shapes, copies, and weights of fewer bits written out. Measured, on the CPU as on a GPU;
// plans and the shares of every log line go by it.
//
//   MachineRates rates = probe_machine(sizes, {.device = device, .dtype = dtype, .quant = "nf4"});
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "train/time_plan.h"

namespace slmtune::train {

struct Probe {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;
  std::string quant = "none";   // a format of kernels/quant/names.h
  int64_t tokens = 2048;        // of a micro-batch; more than 4,096 are probed as 4,096
  int64_t rank = 0;             // of each linear's adapter, for MachineRates::joins_low_rank
  double seconds = 2.0;         // about what it takes; every product runs twice at least
  int64_t layer_products = 16;  // most shapes of layers that are tried; 0: rates.layers = peak
};

// Operands are made of numbers of all sizes: products of zeros are faster. No random number is
// drawn. Holds up to 3 · 8192² values and 512 MiB at a time on a GPU, on the CPU 8 million values
// and the largest matrix of a layer; nothing remains. Errors are the device's own
// (c10::OutOfMemoryError).
MachineRates probe_machine(const ModelSizes& sizes, const Probe& probe);

// Operations per second of [rows, in] · [in, out] in about `seconds`.
double product_rate(int64_t rows, int64_t in, int64_t out, at::Device device, at::ScalarType dtype,
                    double seconds);

// That of large products, in about `seconds`: what shares are measured by.
double peak_rate(at::Device device, at::ScalarType dtype, double seconds);

}  // namespace slmtune::train
