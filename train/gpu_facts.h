// Facts files of graphics cards (configs/gpus/*.yaml): what is published about a card, for plans on
// machines that do not have it. The files are part of the program.
//
//   GpuFacts card = find_gpu("RTX 4090");
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/embedded_text.h"

namespace slmtune::train {

struct GpuFacts {
  std::string name;   // of its file: "rtx-4090"
  std::string title;  // for people
  double memory_gib = 0;
  double bandwidth_gb_per_s = 0;
  double bf16_tflops = 0;     // dense products, summed in float32
  double float32_tflops = 0;  // half of it unless the file says otherwise
  double board_watts = 0;
  double efficiency = 0;  // share of bf16_tflops that training reaches
  double efficiency_spread = 0;  // how far off that may be, in parts of it
  double context_gib = 0;
  bool measured = false;  // with slmtune; else as others report

  uint64_t memory_bytes() const;
  uint64_t context_bytes() const;
};

std::span<const EmbeddedText> embedded_gpus();

// All cards, by memory and then by rate.
std::vector<GpuFacts> all_gpus();

// `text` is a name, whole or in part when only one card has it ("RTX 4090", "4070ti super"), or a
// facts file of the user's own (*.yaml). U008 unknown or of several cards; N001, R… for a file.
GpuFacts find_gpu(const std::string& text);

// The card that a driver calls so ("NVIDIA GeForce RTX 4090"); none where it may be any of several,
// or none that is known.
std::optional<GpuFacts> known_gpu(const std::string& title);

}  // namespace slmtune::train
