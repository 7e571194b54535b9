// Readings of the driver's library, from a stand-in that the build makes (fake_nvml.cpp).
#include "kernels/cuda/nvml.h"

#include <gtest/gtest.h>

#include "kernels/cuda/energy_meter.h"
#include "kernels/device_meter.h"

namespace slmtune::kernels {
namespace {

constexpr const char* kAddress = "0000:65:00.0";

TEST(Nvml, ReadsWhatTheDriverTells) {
  const auto nvml = Nvml::open(kAddress, SLMTUNE_FAKE_NVML);
  ASSERT_NE(nvml, nullptr);
  const NvmlReading reading = nvml->read();
  EXPECT_EQ(reading.memory_total, 24ull << 30);
  EXPECT_EQ(reading.memory_used, 4ull << 30);
  EXPECT_EQ(reading.process_memory, 3ull << 30);
  EXPECT_DOUBLE_EQ(reading.watts.value(), 301.5);
  EXPECT_DOUBLE_EQ(nvml->read().joules.value() - reading.joules.value(), 36000.0);
  EXPECT_DOUBLE_EQ(reading.celsius.value(), 71.0);
  EXPECT_EQ(reading.core_mhz, 2505);
  EXPECT_EQ(reading.memory_mhz, 10501);
}

TEST(Nvml, FiguresThatTheDriverLacksAreAbsent) {
  const auto nvml = Nvml::open(kAddress, SLMTUNE_BARE_NVML);
  ASSERT_NE(nvml, nullptr);
  const NvmlReading reading = nvml->read();
  EXPECT_EQ(reading.memory_used, 4ull << 30);
  EXPECT_FALSE(reading.process_memory);
  EXPECT_FALSE(reading.watts);
  EXPECT_FALSE(reading.joules);
  EXPECT_FALSE(reading.celsius);
  EXPECT_FALSE(reading.core_mhz);
  EXPECT_FALSE(reading.memory_mhz);
}

TEST(Nvml, IsAbsentWithoutItsLibraryOrTheGpu) {
  EXPECT_EQ(Nvml::open(kAddress, "libno-such-nvml.so.1"), nullptr);
  EXPECT_EQ(Nvml::open("0000:01:00.0", SLMTUNE_FAKE_NVML), nullptr);
}

TEST(EnergyMeter, TrustsTheDriversCounter) {
  EnergyMeter meter;
  meter.add({.watts = 1e6, .joules = 5000.0}, 10.0);
  EXPECT_FALSE(meter.kwh());
  meter.add({.watts = 1e6, .joules = 365000.0}, 70.0);
  EXPECT_DOUBLE_EQ(meter.kwh().value(), 0.1);
  EXPECT_DOUBLE_EQ(meter.mean_watts().value(), 6000.0);
}

TEST(EnergyMeter, AddsPowerUpWithoutACounter) {
  EnergyMeter meter;
  meter.add({.watts = 100.0}, 0.0);
  meter.add({.watts = 300.0}, 10.0);
  meter.add({.watts = 300.0}, 20.0);
  EXPECT_DOUBLE_EQ(meter.kwh().value(), 5000.0 / 3.6e6);
  EXPECT_DOUBLE_EQ(meter.mean_watts().value(), 250.0);
}

// The driver was loaded again in the middle: its counter begins anew.
TEST(EnergyMeter, DoesNotSubtractWhatACounterForgot) {
  EnergyMeter meter;
  meter.add({.watts = 100.0, .joules = 9000.0}, 0.0);
  meter.add({.watts = 100.0, .joules = 10.0}, 10.0);
  meter.add({.watts = 100.0, .joules = 510.0}, 15.0);
  EXPECT_DOUBLE_EQ(meter.kwh().value(), 1500.0 / 3.6e6);
}

TEST(EnergyMeter, KnowsNothingWithoutFigures) {
  EnergyMeter meter;
  meter.add({}, 0.0);
  meter.add({}, 10.0);
  EXPECT_FALSE(meter.kwh());
  EXPECT_FALSE(meter.mean_watts());
}

TEST(DeviceMeter, JoinsReadingsOverTheRun) {
  DeviceMeter meter(at::kCPU, Nvml::open(kAddress, SLMTUNE_FAKE_NVML));
  const DeviceFigures figures = meter.figures(/*now=*/true);
  EXPECT_DOUBLE_EQ(figures.energy_kwh.value(), 0.01);
  EXPECT_DOUBLE_EQ(figures.watts.value(), 301.5);
  EXPECT_EQ(figures.process_memory, 3ull << 30);
  EXPECT_FALSE(figures.memory_peak) << "the CPU has no allocator of a GPU";
}

TEST(DeviceMeter, TellsNothingOnTheCpu) {
  DeviceMeter meter(at::kCPU);
  const DeviceFigures figures = meter.figures(/*now=*/true);
  EXPECT_FALSE(figures.memory_peak || figures.watts || figures.energy_kwh || figures.celsius);
}

}  // namespace
}  // namespace slmtune::kernels
