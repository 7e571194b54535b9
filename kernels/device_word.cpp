#include "kernels/device_word.h"

#include <charconv>
#include <cstdlib>

#include "core/error.h"
#include "core/text.h"

namespace slmtune::kernels {
namespace {

constexpr int kMostGpus = 256;

std::optional<int> small_number(std::string_view text) {
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value >= kMostGpus)
    return std::nullopt;
  return value;
}

[[noreturn]] void refuse(const std::string& where, int number, int count) {
  throw UnavailableError(
      "G006", where,
      "there is no GPU number " + std::to_string(number) + ": this process sees " +
          std::to_string(count),
      count == 1 ? "GPUs are counted from 0; CUDA_VISIBLE_DEVICES says which ones are seen"
                 : "GPUs are numbered 0 to " + std::to_string(count - 1) +
                       "; CUDA_VISIBLE_DEVICES says which ones are seen");
}

}  // namespace

std::optional<DeviceWord> parse_device_word(const std::string& word) {
  if (word == "auto" || word == "cpu" || word == "cuda") return DeviceWord{word, std::nullopt};
  if (!word.starts_with("cuda:")) return std::nullopt;
  const std::optional<int> number = small_number(std::string_view(word).substr(5));
  if (!number) return std::nullopt;
  return DeviceWord{"cuda", number};
}

int choose_gpu(std::optional<int> asked, int count) {
  if (asked) {
    if (*asked >= count) refuse("--device", *asked, count);
    return *asked;
  }
  const char* text = std::getenv("LOCAL_RANK");
  if (text == nullptr || *text == '\0' || count == 1) return 0;
  const std::optional<int> rank = small_number(text);
  if (!rank)
    throw UnavailableError("G006", "LOCAL_RANK", "'" + shown(text) + "' is not a number of a GPU",
                           "let the launcher set it, or unset it and use --device cuda:N");
  if (*rank >= count) refuse("LOCAL_RANK", *rank, count);
  return *rank;
}

}  // namespace slmtune::kernels
