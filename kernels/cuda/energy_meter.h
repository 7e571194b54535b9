// Energy of a GPU from readings that are taken now and then: from the driver's own counter where it
// has one, else power times time between the readings.
//
//   EnergyMeter meter;
//   meter.add(reading, seconds);  ...  meter.add(reading, seconds);
//   meter.kwh();
#pragma once
#include <optional>

#include "kernels/cuda/nvml.h"

namespace slmtune::kernels {

class EnergyMeter {
 public:
  // `seconds` of a clock that only goes forward.
  void add(const NvmlReading& reading, double seconds);

  // Between the first and the last reading; none without two readings of a figure.
  std::optional<double> kwh() const;
  std::optional<double> mean_watts() const;  // over the same time

 private:
  std::optional<double> first_, last_;     // seconds
  std::optional<double> counter_, watts_;  // joules and watts of the last reading
  double joules_ = 0.0;
  bool has_energy_ = false;
};

}  // namespace slmtune::kernels
