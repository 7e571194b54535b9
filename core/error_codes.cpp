#include "core/error_codes.h"

#include <algorithm>

namespace slmtune {
namespace {

using enum ExitCode;

// One row per code, sorted by code.
constexpr ErrorRow kRows[] = {
    // D: data rows
    {"D030", kBadData, "prompt leaves the model's context",
     "The prompt and the tokens to be made do not fit into the positions that the model was built for. Beyond them its "
     "answers are noise. Ask for fewer tokens with --max-tokens, or shorten the prompt."},
    {"D031", kBadData, "prompt is empty",
     "Without any token there is nothing to continue. Give a prompt of at least one character, or a system message."},

    // F: file formats
    {"F001", kBadData, "file larger than its kind can be",
     "The file is larger than any sensible file of its kind, so it was not read into memory. "
     "Usually a path names the "
     "wrong file, for example weights where a config is expected. Check the path."},
    {"F002", kBadData, "file is not valid JSON",
     "A JSON file of a model, tokenizer or adapter has a syntax error at the line and column "
     "named. Usually the "
     "download stopped early, or the file is a web page or a Git LFS pointer that was saved under "
     "its name. Fetch the "
     "file again and compare its size with the source."},
    {"F003", kBadData, "JSON member missing",
     "A JSON file lacks a member that is needed. Usually the file belongs to a model family that "
     "slmtune does not "
     "support, or it was edited by hand. Compare it with the file of the original model."},
    {"F004", kBadData, "JSON member of the wrong type",
     "A JSON file has a member whose type is not the expected one, for example a text where a "
     "whole number belongs. "
     "Usually the file was edited by hand or comes from another kind of model. Compare it with the "
     "original."},
    {"F005", kBadData, "not a regular file",
     "The path names a folder, a device or a pipe, but a plain file is needed because it is mapped "
     "into memory. Name "
     "the file itself; copy piped data into a file first."},
    {"F010", kBadData, "safetensors header invalid",
     "The header of a safetensors file is damaged or not a safetensors header at all: its length, "
     "its JSON, a name that "
     "stands there twice, an unknown dtype or wrong metadata. Nothing of such a file is used, "
     "since every later byte "
     "depends on the header. Usually the file is a Git LFS pointer, a partial download or another "
     "format renamed. "
     "Fetch it again."},
    {"F011", kBadData, "safetensors ranges invalid",
     "The byte ranges of the tensors in a safetensors file leave a gap, overlap, or do not fit the "
     "shapes. The format "
     "forbids this, because hidden or shared bytes are a way to attack a reader. The program that "
     "wrote the file has a "
     "fault: convert the model again."},
    {"F012", kBadData, "safetensors file truncated or too long",
     "The file ends before its tensors do, or has bytes after the last one. Almost always a "
     "download or a copy stopped "
     "early, or the disk was full when the file was written. Compare the size with the source and "
     "fetch it again."},
    {"F013", kBadData, "tensor missing",
     "The model's config.json implies a tensor that the weight files do not have. Usually the "
     "config belongs to another "
     "model, or one shard is missing. Fetch all files of one revision into one folder."},
    {"F014", kBadData, "weight index and shards disagree",
     "model.safetensors.index.json says which shard holds which tensor, and the shards hold "
     "something else. Usually "
     "files of two revisions were mixed in one folder. Fetch the index and all shards of one "
     "revision."},
    {"F015", kBadData, "only pickled weights found",
     "The folder has weights only as .bin or .pt files. These are Python pickles, which can run "
     "any code when they are "
     "opened, so slmtune never reads them. Convert them once in Python: load the model with "
     "transformers and call "
     "save_pretrained(folder, safe_serialization=True)."},
    {"F080", kBadData, "checkpoint does not fit",
     "A tensor of the checkpoint is missing, or has a shape or type that the model at hand does not have. The checkpoint "
     "was made with another model, adapter or version. Start a new run with --resume never, or put the recipe back."},
    {"F081", kBadData, "checkpoint damaged",
     "A file of the checkpoint is missing, or its size or SHA-256 is not the one that state.json recorded when it was "
     "saved. 'slmtune train' passes such a checkpoint over and goes on from the one before it. If this happens again, "
     "check the disk."},
    {"F050", kBadData, "model architecture not supported",
     "config.json names an architecture that slmtune does not have. The message lists those it "
     "has. Many models are one of them under another name; a fine-tune keeps the architecture "
     "of its base model."},
    {"F051", kBadData, "model option not supported",
     "config.json asks for something that the architecture allows but slmtune does not "
     "compute: another rope scaling, a sliding window, another activation or weights that are "
     "quantised already. Training with the option ignored would give a wrong model, so it is "
     "refused. The message names the option, its value and what is supported."},
    {"F052", kBadData, "model size out of range",
     "A number in config.json is outside what a decoder language model can have, or two "
     "numbers do not fit together (for example attention heads and key heads). Nothing is "
     "allocated by such a number. Fetch config.json again from the place the weights came "
     "from."},
    {"F053", kBadData, "tensor of the wrong shape",
     "Tensors in the weight files have another shape than config.json says. The message shows "
     "the shape found and the one expected. Usually config.json and weights come from two "
     "different models or revisions: fetch both together."},
    {"F054", kBadData, "unexpected tensor",
     "The weight files hold tensors that this architecture does not have. Leaving them out "
     "would change the model, so it is refused. Usually config.json belongs to another model, "
     "or the weights still carry an adapter or a quantisation."},
    {"F055", kBadData, "tensor type cannot be a weight",
     "A weight is stored as an integer, boolean or another type that is no floating point "
     "number, as in checkpoints quantised by other tools. Use the original weights in F32, "
     "BF16 or F16 and quantise with the recipe key model.quant."},
    {"F060", kBadData, "adapter_config.json malformed",
     "The adapter folder has an adapter_config.json in which a member is missing or has a "
     "value that it cannot have. Save the adapter again with the tool that made it."},
    {"F061", kBadData, "adapter feature not supported",
     "The adapter uses something beyond plain LoRA and rsLoRA, such as DoRA, fully trained "
     "modules or trained biases. The message names it. Merge the adapter into its base model "
     "with PEFT (merge_and_unload) and use the merged model."},
    {"F062", kBadData, "adapter does not fit the model",
     "A tensor of the adapter has another shape than the base model needs, or names a layer "
     "that the model does not have. Almost always the adapter was trained on another base "
     "model; its adapter_config.json says which (base_model_name_or_path)."},
    {"F063", kBadData, "adapter tensors missing or extra",
     "The tensors in adapter_model.safetensors are not those that adapter_config.json "
     "announces. Running with part of an adapter would give other answers than the trained "
     "model, so it is refused. Copy the whole adapter folder again."},
    {"F070", kBadData, "merged weight beyond float16",
     "Adding the adapter to a base weight gave a number larger than 65504, the largest that "
     "float16 holds; it would become infinite. Convert the base model to bfloat16 or float32 "
     "and merge again."},
    {"F090", kBadData, "not a GGUF file",
     "The file does not start with the GGUF mark, or it has another version than 3 or the other byte order. Only "
     "little-endian GGUF of version 3 is read, which every converter has written since the end of 2023. Usually the "
     "path names another kind of file, or a Git LFS pointer was saved under its name."},
    {"F091", kBadData, "GGUF metadata malformed",
     "A key or value in the head of a GGUF file breaks the format: a key that stands twice, an unknown type, a boolean "
     "that is neither 0 nor 1, a text too long or an alignment that is no power of two. Nothing of such a file is used. "
     "Export or download it again."},
    {"F092", kBadData, "GGUF tensor table malformed",
     "The tensor table of a GGUF file breaks the format: a name that stands twice or is too long, an unknown type, a "
     "shape that does not divide into blocks, or offsets with a gap, an overlap or bytes after the end. Export or "
     "download the file again."},
    {"F093", kBadData, "GGUF file truncated",
     "The file ends before what its head promises. Almost always a download or a copy stopped early, or the disk was "
     "full when the file was written. Compare the size with the source and fetch it again."},
    {"F094", kBadData, "model cannot be written as GGUF",
     "The model has something that a GGUF file cannot say: an architecture or rope scaling that llama.cpp does not know "
     "under that name, a tensor without a GGUF name, more tokens than embedding rows, two tokens of one text, or no end "
     "token. Export a Hugging Face folder instead, or use the tokenizer that belongs to the weights."},
    {"F095", kBadData, "written GGUF differs from its source",
     "After writing, the file is opened again and every value is compared with its source. A difference larger than the "
     "encoding's rounding was found, so the file was removed. Disk or memory may be faulty: export again, to another "
     "disk if it repeats."},
    {"F096", kBadData, "value does not fit the encoding",
     "A weight is not a finite number, or it is larger than the chosen encoding can hold (65504 for f16). Writing it "
     "would give a model that answers with nonsense. Export with encoding bf16 or f32; when the value is not finite, "
     "the weights are damaged or training diverged."},

    // G: device and memory
    {"G001", kUnavailable, "built without CUDA",
     "A GPU was asked for, but libslmtune_cuda.so is not beside the program or cannot be loaded. The CPU build does not "
     "have it. Build the preset 'cuda' (CUDA toolkit 13 is needed) and run scripts/setup.sh on the machine with the GPU, "
     "or use --device cpu."},
    {"G002", kUnavailable, "no NVIDIA driver",
     "A GPU was asked for, but the NVIDIA driver is missing or too old for CUDA 13. The command nvidia-smi must work, in "
     "a container too (start it with --gpus all). Install or update the driver, or use --device cpu."},
    {"G003", kUnavailable, "no GPU",
     "The NVIDIA driver works but shows no GPU. Usually CUDA_VISIBLE_DEVICES is empty, or the container was started "
     "without the GPU. Check with nvidia-smi, or use --device cpu."},
    {"G004", kUnavailable, "a GPU call failed",
     "The GPU refused or aborted one of slmtune's kernels; the message names it. Another program may have reset the GPU, "
     "or its memory is full. Look at nvidia-smi and run again; with --resume auto nothing but the last minutes is lost."},

    // L: lock
    {"L001", kTryLater, "store in use",
     "Another slmtune process works on the same store, and two writers would damage each other's "
     "results. The message "
     "names its process id, start time and command. Wait until it has ended, or stop it. The lock "
     "is released by the "
     "system when that process dies, so a file named 'lock' never has to be removed."},

    // N: missing input
    {"N001", kNoInput, "file or folder not found",
     "A file or folder that was named does not exist. Relative paths are taken from the folder you "
     "are in, not from "
     "the recipe's. Check the spelling and the current folder."},
    {"N002", kNoInput, "store not found",
     "The folder is no store: it does not exist or holds no snapshots folder. A store is made by "
     "the first training "
     "run, at the place that the recipe's 'store' key names (by default runs/<name>). Check the "
     "path, or train first."},
    {"N003", kNoInput, "adapter file missing",
     "An adapter folder must hold adapter_config.json and adapter_model.safetensors, as PEFT "
     "and slmtune write them. One of them is not there. Check that the path names the adapter "
     "itself and not a folder above it."},
    {"N004", kNoInput, "model folder not found",
     "The folder that should hold the model does not exist. A model is a Hugging Face folder "
     "with config.json, model.safetensors (or its shards and index) and tokenizer files. "
     "Relative paths are taken from the folder you are in."},

    // R: recipe
    {"R001", kRecipe, "recipe unreadable",
     "The recipe exists but cannot be read: it is a folder, larger than 4 MiB, or access is "
     "denied. Recipes are small "
     "text files. Check that the path names the recipe itself."},
    {"R002", kRecipe, "not valid YAML",
     "The text at the place named breaks the rules of YAML. Common causes: a tab used for "
     "indentation (use spaces), a "
     "missing space after a colon, keys of one section that do not start in the same column, or a "
     "text with ': ' or "
     "'#' in it that needs quotes. Only one document per file is read, and nesting is limited to "
     "32 levels."},
    {"R003", kRecipe, "value of the wrong type",
     "A key has a value of another type than it needs, for example a text where a whole number "
     "belongs, or a single "
     "value where a section belongs. Note that a number in quotes is a text. Write the value in "
     "the form the message "
     "names."},
    {"R004", kRecipe, "value out of range",
     "A number lies outside the range that makes sense for its key. The message names the range. "
     "Often the unit is "
     "mistaken, for example percent where a fraction from 0 to 1 is meant."},
    {"R005", kRecipe, "value is not one of the choices",
     "The key takes one of a few words and the recipe has another one. The message lists the "
     "words. Choices are "
     "written in lower case."},
    {"R006", kRecipe, "required key missing",
     "A key that has no default is missing. Add it at the place named, or pass it with --set "
     "key=value."},
    {"R012", kRecipe, "unknown key",
     "The recipe has a key that slmtune does not know, and a mistyped key must not be ignored "
     "silently: training would "
     "run with a default you did not choose. The message suggests the nearest known key, also for "
     "the words of other "
     "tools such as 'lora_r' or 'num_train_epochs'. Correct the key or remove it; 'slmtune "
     "import-recipe' translates "
     "whole files of other tools."},
    {"R013", kRecipe, "duplicate key",
     "The same key stands twice in one section, and only one of the values could count. Keep the "
     "line you mean and "
     "remove the other."},
    {"R014", kRecipe, "recipe is not a section of keys",
     "A recipe is a table of 'key: value' lines at its top level, but the file is empty or holds a "
     "list or a single "
     "value. Check that the path names a recipe; the ones in recipes/ show the form."},
    {"R050", kRecipe, "unknown weight format",
     "model.quant names a storage format of frozen weights that this version does not have. The message lists those it "
     "has; 'none' keeps the weights as they are."},
    {"R060", kRecipe, "LoRA target matches nothing",
     "A name or expression in lora.targets fits no linear layer of the model, so it would "
     "train nothing. The message lists the layers of the first block. Use all-linear, "
     "attention, mlp, names such as q_proj, or an expression re:... that fits the whole module "
     "name."},
    {"R061", kRecipe, "bad regular expression",
     "The text after re: in lora.targets is not a regular expression (ECMAScript syntax). It "
     "must fit the whole module name, for example re:.*\\.(q_proj|v_proj). Quote it in YAML "
     "with single quotes so that backslashes stay as they are."},
    {"R070", kRecipe, "unknown export encoding",
     "An encoding says how the numbers of a GGUF file are stored: f32 exactly, f16 and bf16 in two bytes, q8_0 in about "
     "one byte with one scale for 32 values. The message lists the names that this version writes."},

    // S: store
    {"S001", kNoInput, "no such snapshot",
     "The store has no published snapshot of that number. Numbers are never reused, so a run that "
     "was stopped before "
     "it published leaves a gap. 'slmtune snapshots list' shows what is there."},
    {"S002", kNoInput, "no such alias",
     "The store has no alias of that name. 'latest' exists after the first snapshot, 'production' "
     "only after one was "
     "promoted. 'slmtune snapshots list' shows aliases and numbers."},
    {"S003", kUsage, "not a snapshot reference",
     "A snapshot is named as STORE#42, STORE#production, #42 inside a store, or by the path of its "
     "folder. Quote the "
     "text in a shell, where # starts a comment after a space."},
    {"S004", kBadData, "snapshot changed after it was published",
     "A file of the snapshot does not have the size or the SHA-256 that manifest.json recorded "
     "when it was published. "
     "Either somebody edited it or the disk is failing. Do not use this snapshot: go back to an "
     "earlier one, and check "
     "the disk."},
    {"S005", kBadData, "manifest unreadable",
     "The manifest.json of a snapshot is damaged or does not fit its folder. Without it neither "
     "the origin nor the "
     "content of the snapshot can be trusted. Use another snapshot or restore this one from a "
     "backup."},
    {"S006", kBadData, "snapshot file missing",
     "A file that manifest.json lists is not in the snapshot's folder. Somebody removed it, or a "
     "copy of the store was "
     "incomplete. Use another snapshot or restore this one from a backup."},
    {"S007", kBadData, "alias file damaged",
     "aliases.json in the store is not a table of alias names and snapshot numbers. It is only "
     "ever replaced as a "
     "whole, so somebody edited it. Correct it by hand: journal.jsonl lists every move with its "
     "time."},

    // T: training
    {"T001", kRefused, "training diverged",
     "The loss or the gradient was infinite or not a number in three steps in a row. Such steps are skipped, so no weight "
     "was touched by them, and the last checkpoint is kept. Usual causes are a learning rate that is too high, a "
     "warm-up that is too short, or a broken base model."},
    {"T010", kRecipe, "the run cannot be continued with these inputs",
     "A checkpoint continues only with the data, base model and tokenizer it was made with, so that the result equals an "
     "uninterrupted run. One of them changed. Put it back, or start a new run with --resume never."},

    // U: command line
    {"U010", kUsage, "--set has the wrong form",
     "--set takes key=value with a dotted key, for example --set train.learning_rate=1e-4 or --set "
     "lora.targets=all-linear. The value is read as YAML, and the key must lead through sections, "
     "or through lists by "
     "position, as in data.train.0.path."},
    {"U011", kUsage, "option value is not one of the choices",
     "An option of the command line takes only the words that the message lists. Check the spelling."},

    // W: writing and disk
    {"W001", kIo, "reading or writing failed",
     "The operating system reported an input or output error. Usual causes are a failing disk, a "
     "removed drive or a "
     "network share that went away. No result is half written: the old file is still there."},
    {"W002", kIo, "disk full",
     "There is no room left for the result, or your quota is used up. The old file is still in "
     "place, and nothing was "
     "half written. Free some space or point the store to another disk."},
    {"W003", kPermission, "permission denied",
     "The file or folder may not be read or written by this user, or the disk is mounted "
     "read-only. Check the owner "
     "and mode of the folder; results are written into a temporary file beside the target, so the "
     "folder itself must "
     "be writable."},
    {"W004", kCannotCreate, "cannot create file or folder",
     "A result cannot be created at that place: its folder does not exist, a folder stands where a "
     "file should go, or "
     "the name is taken. Check the path."},

    // X: internal
    {"X001", kInternal, "internal error",
     "Something happened that only a fault in slmtune itself can cause. Your data is not to blame. "
     "Please report the "
     "message and how to repeat it; results that were published before are untouched."},
};

}  // namespace

std::span<const ErrorRow> error_rows() {
  return kRows;
}

const ErrorRow& error_row(std::string_view code) {
  auto by_code = [&](std::string_view wanted) {
    return std::find_if(std::begin(kRows), std::end(kRows),
                        [&](const ErrorRow& row) { return row.code == wanted; });
  };
  auto found = by_code(code);
  return found != std::end(kRows) ? *found : *by_code("X001");
}

}  // namespace slmtune
