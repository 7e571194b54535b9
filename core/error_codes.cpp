#include "core/error_codes.h"

#include <algorithm>
#include <vector>

#include "core/internal/error_tables.h"

namespace slmtune {
namespace {

using enum ExitCode;

// One row per code, sorted by code.
constexpr ErrorRow kRows[] = {
    // D: data rows
    {"D001", kBadData, "no rows",
     "A data file has no rows, or none is left after the settings were applied (max_tokens, "
     "too_long, weights, a "
     "validation fraction). A row is one JSON object on one line of a .jsonl file. Look at the "
     "file's size, and at the "
     "settings under 'data'."},
    {"D002", kBadData, "row is not valid JSON",
     "A line of a .jsonl file is not one JSON object. Usual causes: an object spread over several "
     "lines, a JSON list "
     "around all rows, single quotes, a missing quote, NaN, or a line over 16 MiB. Nothing is "
     "trained until every line "
     "can be read, because a silently skipped row is a silently worse model."},
    {"D003", kBadData, "row of an unknown shape",
     "The fields of a row fit none of the shapes: messages, conversations (sharegpt), instruction "
     "and output (alpaca), prompt and completion, question and answer (qa), input_ids (tokens) or "
     "text. Rename the fields, or correct data.format if it names a shape."},
    {"D004", kBadData, "field of a row cannot be used",
     "The shape of the row is known, but one of its fields is missing, null, empty or of the wrong "
     "type, or a role is "
     "unknown. The message counts messages from 1. Correct the row; its text is never printed."},
    {"D005", kBadData, "nothing in the row is trained",
     "Only assistant messages, completions and plain text are trained, and this row has none of "
     "them, or they are all "
     "switched off by 'train: false', 'weight: 0' or labels of -100. Remove the row or let a part "
     "of it train."},
    {"D006", kBadData, "row is not UTF-8",
     "A line has bytes that are not UTF-8, usually because the file was saved in another encoding "
     "such as Latin-1 or "
     "UTF-16. Convert it, for example with 'iconv -f latin1 -t utf-8 old.jsonl > new.jsonl'."},
    {"D010", kBadData, "row longer than max_tokens",
     "A row has more tokens than data.max_tokens, and data.too_long is 'refuse', so that no text "
     "is lost unnoticed. "
     "Raise data.max_tokens if memory allows, split the row, or choose 'drop' (leave such rows "
     "out) or 'truncate' "
     "(cut off their end)."},
    {"D020", kBadData, "role that the chat template does not take",
     "A conversation has a message of a role that the model's chat template cannot print, for "
     "example a system text with Gemma 2 or a tool result with Llama 3. Leave the message out, or "
     "give its text to the model in a user's message."},
    {"D021", kBadData, "conversation without a chat template",
     "A row is a conversation, but the model has no chat template that says how to print it. Name "
     "one with model.template, or give the rows as 'prompt' and 'completion'."},
    {"D022", kBadData, "tools that the chat template does not take",
     "A row has 'tools' or 'tool_calls', and the model's chat template has no form for them. The "
     "templates qwen2.5, llama3.1, llama3.2, mistral-v3 and mistral-v3-tekken print both, "
     "phi4-mini prints tools. For other models describe the functions in the system text and write "
     "calls into the assistant's text, as the model's documentation shows them."},
    {"D023", kBadData, "order of messages that the chat template does not take",
     "Templates such as gemma2 and mistral-v1 want user and assistant in turn, beginning with the "
     "user (after a system text, where they take one), and Llama 3.1 puts tools into a first "
     "message of the user. Join neighbouring messages of one role, or choose another template with "
     "model.template."},
    {"D024", kBadData, "tool call that the chat template cannot print",
     "Mistral's templates need an id of nine letters or digits on each tool call, and the same id "
     "as 'tool_call_id' on its result; Llama 3.1 and 3.2 take one call in a message. Correct the "
     "row."},
    {"D030", kBadData, "prompt leaves the model's context",
     "The prompt and the tokens to be made do not fit into the positions that the model was built "
     "for. Beyond them its "
     "answers are noise. Ask for fewer tokens with --max-tokens, or shorten the prompt."},
    {"D031", kBadData, "prompt is empty",
     "Without any token there is nothing to continue. Give a prompt of at least one character, or "
     "a system message."},
    {"D040", kBadData, "row that the objective does not train on",
     "objective sft learns answers as they are, dpo needs rows with a better and a worse answer "
     "('chosen' and 'rejected'), kto rows with a thumb up or down ('label' or 'kto_tag'). The row "
     "is of another kind. Set the objective that fits the data, or give data that fits the "
     "objective. Answers with votes can be learnt as they are by objective sft when data.format "
     "names their shape; then the bad ones are learnt too."},
    {"D041", kBadData, "too few rows for objective kto",
     "How far the model has moved is measured on questions with the answers to other questions, "
     "which takes at least two rows. A useful run has a hundred votes and more."},

    // F: file formats stand in error_codes_files.cpp

    // G: device and memory stand in error_codes_devices.cpp

    // H: the model hub stands in error_codes_hub.cpp

    // P: several processes stand in error_codes_processes.cpp

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
     "The recipe exists but cannot be read: it is a folder, larger than 256 KiB, or access is "
     "denied. Recipes are small "
     "text files. Check that the path names the recipe itself."},
    {"R002", kRecipe, "not valid YAML",
     "The text at the place named breaks the rules of YAML. Common causes: a missing space after a "
     "colon, a bracket or quote that is never closed, keys of one section that do not start in the "
     "same column, or a text with ': ' or '#' in it that needs quotes."},
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
    {"R007", kRecipe, "keys that exclude each other",
     "Two keys of the recipe cannot both count, or one has no meaning beside another: for "
     "example section 'lora' with 'method: full', or 'model.path' beside 'model.init'. Choosing "
     "one silently would train something you did not ask for. Keep the key you mean."},
    {"R008", kRecipe, "name that cannot name files",
     "The recipe's name becomes part of folder and file names, so it is made of letters, digits, "
     "'.', '_' and '-', starts without a dot and has at most 100 characters. Change it; a store "
     "can still lie anywhere with the 'store' key."},
    {"R009", kRecipe, "recipe and continued adapter disagree",
     "Training goes on with an existing adapter, whose rank, alpha and variant are fixed, but "
     "the recipe asks for other ones. Remove section 'lora' to keep the adapter's settings, or "
     "start a new adapter on the base model."},
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
    {"R015", kRecipe, "not in this version",
     "The key or word is reserved for something that this version of slmtune cannot do yet. It is "
     "refused, because a run without it would not be the one you asked for. Remove it, or take a "
     "newer version; docs/recipe.md lists what is reserved."},
    {"R016", kRecipe, "anchors, aliases and merge keys are not supported",
     "YAML lets a value be marked with & and used again with * or '<<'. A few lines can then stand "
     "for millions of values, and a reader of the recipe no longer sees what counts, so recipes "
     "are read without them. Write the values out."},
    {"R017", kRecipe, "tags are not supported",
     "A text that begins with ! is a tag in YAML, which names the type of the value after it, in "
     "some programs even code to run. Recipes need none. Remove the tag; quote the value if it "
     "begins with '!'."},
    {"R018", kRecipe, "more than one document",
     "A line of three dashes begins another document, and only one of them could count. Keep one "
     "document per file."},
    {"R019", kRecipe, "too deep or too many values",
     "A recipe has at most 16 levels of sections and lists, and 10,000 values. More is almost "
     "always a file of another kind. Check the path."},
    {"R020", kRecipe, "tab in the indentation",
     "YAML does not allow tabs before the first letter of a line, because their width differs "
     "between editors. Indent with spaces; most editors can do so for .yaml files."},
    {"R021", kRecipe, "byte that is no text",
     "The file has a control character, or bytes that are not UTF-8. Usually it was saved in "
     "another encoding, or it is not a text file at all. Save it as UTF-8."},
    {"R022", kRecipe, "number that is not finite",
     "Infinity and 'not a number' cannot be a setting: every comparison with them would go wrong "
     "in silence. Write a number; where a limit can be switched off, the key's page says how."},
    {"R023", kRecipe, "flag that is not true or false",
     "Old YAML readers take yes, no, on and off for true and false, new ones take them for texts. "
     "So that a recipe means the same everywhere, a flag is written true or false."},
    {"R040", kRecipe, "unknown chat template name",
     "model.template names a template that slmtune does not have. The message lists the names; the "
     "right one is that of "
     "the model's family."},
    {"R050", kRecipe, "unknown weight format",
     "model.quant names a storage format of frozen weights that this version does not have. The "
     "message lists those it "
     "has; 'none' keeps the weights as they are."},
    {"R051", kRecipe, "weight format that the model's files do not allow",
     "model.quant asks for another storage format than that of a model folder whose weights are "
     "stored in 4 bits already. Rounding them a second time would only lose more. Leave the key "
     "out, and the weights stay as they are stored; or name the folder of the 16-bit model."},
    {"R060", kRecipe, "LoRA target matches nothing",
     "A name or expression in lora.targets fits no linear layer of the model, so it would "
     "train nothing. The message lists the layers of the first block. Use all-linear, "
     "attention, mlp, names such as q_proj, or an expression re:... that fits the whole module "
     "name."},
    {"R061", kRecipe, "bad regular expression",
     "The text after re: in lora.targets is not a regular expression (the syntax of Perl and "
     "Python). It "
     "must fit the whole module name, for example re:.*\\.(q_proj|v_proj). Quote it in YAML "
     "with single quotes so that backslashes stay as they are."},
    {"R070", kRecipe, "unknown export encoding",
     "An encoding says how the numbers of a GGUF file are stored: f32 exactly, f16 and bf16 in two "
     "bytes, q8_0 in about "
     "one byte with one scale for 32 values. The message lists the names that this version "
     "writes."},

    // T: training
    {"T001", kRefused, "training diverged",
     "The loss or the gradient was infinite or not a number in three steps in a row. Such steps "
     "are skipped, so no weight "
     "was touched by them, and the last checkpoint is kept. Usual causes are a learning rate that "
     "is too high, a "
     "warm-up that is too short, or a broken base model."},
    {"T010", kRecipe, "the run was started with other settings or inputs",
     "An unfinished run goes on only with the settings, rows, base model, machine and versions it "
     "was started with, so that the result equals that of an uninterrupted run. The message names "
     "each that changed, with both values; settings that only say when to save or stop are not "
     "among them. Put them back; or go on from the run's weights in a new run with "
     "--resume-as-new; or start from the beginning with --resume never."},
    {"T011", kRecipe, "run cannot be resumed",
     "The run named with --resume is complete, or has no checkpoint yet. The weights of a complete "
     "run start a new one with --resume-as-new, or better through 'model.from' in the recipe, "
     "which names its snapshot. Leave --resume out to train from the beginning."},
    {"T012", kRecipe, "a run's weights do not fit the new settings",
     "--resume-as-new takes the trained tensors and the optimiser's state of a checkpoint. They "
     "have a meaning only for the base model, the kind of adapter, its rank and its target layers "
     "that they were trained with. Put the named settings back, or train from the beginning with "
     "--resume never."},

    // U: command line
    {"U001", kUsage, "unknown option or command",
     "The command line has an option or a command that slmtune does not know. The message "
     "suggests the nearest name; --help lists all."},
    {"U002", kUsage, "unexpected argument",
     "The command line has one argument more than the command takes. Often a text with blanks "
     "needs quotes."},
    {"U003", kUsage, "argument missing",
     "The command needs an argument or an option that is not there. --help shows what it takes "
     "and an example."},
    {"U004", kUsage, "argument malformed",
     "The value of an argument or option cannot be used, for example a text where a number "
     "belongs or a number outside its range. --help shows the form."},
    {"U005", kUsage, "path of another kind",
     "The path names something that exists but is of another kind than the command needs, for "
     "example a GGUF file where a model folder belongs, or a store where one of its snapshots "
     "belongs."},
    {"U006", kUsage, "options that exclude each other",
     "Two options cannot be used together, or an option has no meaning for what was asked. Leave "
     "one of them out."},
    {"U007", kUsage, "nothing of that name to explain",
     "'slmtune explain' takes an error code such as R012, a recipe key such as lora.rank, or one "
     "of "
     "the words recipe, recipe-schema and errors, and what was asked for is none of them."},
    {"U008", kUsage, "unknown graphics card",
     "--gpu takes the name of a card from configs/gpus, in whole or in part where only one card "
     "has it (rtx-4090, 4090), or a facts file of your own with its memory, rate and power. The "
     "message names the nearest card, or all of them."},
    {"U010", kUsage, "--set has the wrong form",
     "--set takes key=value with a dotted key, for example --set train.learning_rate=1e-4 or --set "
     "lora.targets=all-linear. The value is read as YAML, and the key must lead through sections, "
     "or through lists by "
     "position, as in data.train.0.path."},
    {"U011", kUsage, "option value is not one of the choices",
     "An option of the command line takes only the words that the message lists. Check the "
     "spelling."},
    {"U012", kUsage, "environment variable is not usable",
     "An environment variable that slmtune reads has a value that it cannot use. The message names "
     "the variable and what it takes. Correct it or unset it."},

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
  static const std::vector<ErrorRow> all = [] {
    std::vector<ErrorRow> rows(std::begin(kRows), std::end(kRows));
    for (std::span<const ErrorRow> part :
         {device_rows(), file_format_rows(), hub_rows(), process_rows(),
          serving_rows(), store_rows()})
      rows.insert(rows.end(), part.begin(), part.end());
    std::sort(rows.begin(), rows.end(),
              [](const ErrorRow& a, const ErrorRow& b) { return a.code < b.code; });
    return rows;
  }();
  return all;
}

const ErrorRow& error_row(std::string_view code) {
  auto by_code = [](std::string_view wanted) {
    return std::find_if(error_rows().begin(), error_rows().end(),
                        [&](const ErrorRow& row) { return row.code == wanted; });
  };
  auto found = by_code(code);
  return found != error_rows().end() ? *found : *by_code("X001");
}

}  // namespace slmtune
