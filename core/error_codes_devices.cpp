// G: device and memory
#include "core/internal/error_tables.h"

namespace slmtune {
namespace {

using enum ExitCode;

constexpr ErrorRow kRows[] = {
    {"G001", kUnavailable, "built without CUDA",
     "A GPU was asked for, but libslmtune_cuda.so is not beside the program or cannot be loaded. "
     "The CPU build does not "
     "have it. Build the preset 'cuda' (CUDA toolkit 13 is needed) and run scripts/setup.sh on the "
     "machine with the GPU, "
     "or use --device cpu."},
    {"G002", kUnavailable, "no NVIDIA driver",
     "A GPU was asked for, but the NVIDIA driver is missing or too old for CUDA 13. The command "
     "nvidia-smi must work, in "
     "a container too (start it with --gpus all). Install or update the driver, or use --device "
     "cpu."},
    {"G003", kUnavailable, "no GPU",
     "The NVIDIA driver works but shows no GPU. Usually CUDA_VISIBLE_DEVICES is empty, or the "
     "container was started "
     "without the GPU. Check with nvidia-smi, or use --device cpu."},
    {"G004", kUnavailable, "a GPU call failed",
     "The GPU refused or aborted one of slmtune's kernels; the message names it. Another program "
     "may have reset the GPU, "
     "or its memory is full. Look at nvidia-smi and run again; with --resume auto nothing but the "
     "last minutes is lost."},
    {"G005", kUnavailable, "engine missing",
     "libslmtune_engine.so, the half of the program that computes, is not beside the program, "
     "cannot be loaded, or belongs to another build. When it cannot be loaded the message names "
     "the library that is missing, usually one of LibTorch's. Build or install program and engine "
     "together."},
    {"G006", kUnavailable, "no such GPU",
     "A GPU was chosen by number, with --device cuda:N or by a launcher that sets LOCAL_RANK, and "
     "this process does not see that many. GPUs are counted from 0, among those that "
     "CUDA_VISIBLE_DEVICES leaves. nvidia-smi lists them."},
    {"G007", kUnavailable, "GPU too old",
     "The GPU's compute capability is below 8.0: it has no bfloat16. GPUs since Ampere (2020) "
     "work: RTX 30, 40 and 50, A100, L4, L40, H100, H200, B200. Use one of them, or --device cpu."},
    {"G008", kUnavailable, "no code for this GPU",
     "The kernels of this build were compiled for other GPUs, or by a compiler that is newer than "
     "the driver. Build the preset 'cuda' with the GPU's architecture in "
     "CMAKE_CUDA_ARCHITECTURES, or update the driver."},
    {"G010", kUnavailable, "out of memory",
     "There was not enough memory for the model, its training state or a step. Published "
     "snapshots and checkpoints are untouched. Lower train.micro_batch_tokens or "
     "data.max_tokens, train with 'method: lora', or take a smaller model; other programs may "
     "also hold memory."},
    {"G011", kUnavailable, "training does not fit into memory",
     "The plan of the run, or its largest micro-batch, which is tried before step 1, needs more "
     "memory than there is or than budget.memory_gib allows. Nothing was trained. The message has "
     "the numbers; 'slmtune plan' shows every part and what to change. Other programs may hold "
     "memory, too."},
    {"G013", kUnavailable, "the GPU's memory is full",
     "A model, its training state or a step did not fit into the GPU's memory. Training halves its "
     "micro-batches by itself, at most three times, which changes nothing that is learnt; this is "
     "what remains when that did not help, or when a single row is too long. The message has the "
     "numbers. Lower data.max_tokens, write 'recompute: all' in section 'train' or 'quant: nf4' in "
     "section 'model', close other programs that use the GPU, or take a smaller model. Checkpoints "
     "are untouched."},
    {"G014", kTryLater, "the GPU is in use",
     "Another program has the GPU for itself (its compute mode is exclusive, or a debugger holds "
     "it). Wait until that program has ended, or choose another GPU with --device cuda:N. "
     "nvidia-smi shows who uses which GPU."},
    {"G015", kUnavailable, "8-bit products are not available",
     "train.matmul asks for products in 8-bit numbers, which this device does not have: int8 takes a "
     "GPU of compute capability 8.0 (RTX 30, A100), fp8 one of 8.9 (RTX 40 and 50, L4, H100, H200). "
     "Remove the key: the default multiplies in the numbers of the model."},
};

}  // namespace

std::span<const ErrorRow> device_rows() {
  return kRows;
}

}  // namespace slmtune
