// Words for where a model runs: auto | cpu | cuda | cuda:N. Without LibTorch, for the command line.
#pragma once
#include <optional>
#include <string>

namespace slmtune::kernels {

struct DeviceWord {
  std::string kind;           // "auto", "cpu" or "cuda"
  std::optional<int> number;  // of "cuda:N", 0 to 255
};

// None when `word` is not one of them.
std::optional<DeviceWord> parse_device_word(const std::string& word);

// Number of the GPU that a process takes of the `count` that it sees: the one asked for, else
// LOCAL_RANK's (launchers of several processes set it; where each process sees one GPU only, that
// one), else 0. UnavailableError G006 when there is no such GPU.
int choose_gpu(std::optional<int> asked, int count);

}  // namespace slmtune::kernels
