#include "core/error_codes.h"

#include <algorithm>

namespace slmtune {
namespace {

using enum ExitCode;

// One row per code, sorted by code.
constexpr ErrorRow kRows[] = {
    // D: data rows

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

    // U: command line
    {"U010", kUsage, "--set has the wrong form",
     "--set takes key=value with a dotted key, for example --set train.learning_rate=1e-4 or --set "
     "lora.targets=all-linear. The value is read as YAML, and the key must lead through sections, "
     "or through lists by "
     "position, as in data.train.0.path."},

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
