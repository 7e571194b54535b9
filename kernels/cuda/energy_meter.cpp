#include "kernels/cuda/energy_meter.h"

namespace slmtune::kernels {
namespace {

constexpr double kJoulesPerKwh = 3.6e6;

}  // namespace

void EnergyMeter::add(const NvmlReading& reading, double seconds) {
  if (last_) {
    // A counter that went back was reset with the driver.
    if (reading.joules && counter_ && *reading.joules >= *counter_) {
      joules_ += *reading.joules - *counter_;
      has_energy_ = true;
    } else if (reading.watts && watts_) {
      joules_ += (*reading.watts + *watts_) / 2.0 * (seconds - *last_);
      has_energy_ = true;
    }
  }
  if (!first_) first_ = seconds;
  last_ = seconds;
  counter_ = reading.joules;
  watts_ = reading.watts;
}

std::optional<double> EnergyMeter::kwh() const {
  if (!has_energy_) return std::nullopt;
  return joules_ / kJoulesPerKwh;
}

std::optional<double> EnergyMeter::mean_watts() const {
  if (!has_energy_ || *last_ <= *first_) return std::nullopt;
  return joules_ / (*last_ - *first_);
}

}  // namespace slmtune::kernels
