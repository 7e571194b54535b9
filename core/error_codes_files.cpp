#include "core/internal/error_tables.h"

namespace slmtune {
namespace {

using enum ExitCode;

// F: weights, tokenizers, GGUF, adapters, JSON. One row per code, sorted by code.
constexpr ErrorRow kRows[] = {
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
    {"F006", kBadData, "JSON key stands twice",
     "A JSON file has the same key twice in one object. Programs differ in which of the two they "
     "take, so the file would mean one thing here and another elsewhere. Usually it was edited by "
     "hand. Remove the one that is wrong."},
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
     "The weights are there only as .bin, .pt, .pth or .ckpt files, or a file of that kind stands "
     "under another name. These are Python pickles, which can run "
     "any code when they are "
     "opened, so slmtune never reads them. Convert them once in Python: load the model with "
     "transformers and call "
     "save_pretrained(folder, safe_serialization=True)."},
    {"F030", kBadData, "tokenizer file malformed",
     "tokenizer.json, tokenizer.model or tekken.json is damaged, or a part of it has not the form "
     "that its package writes. Usually the download stopped early or the file was edited by hand. "
     "Fetch it again from the model's source."},
    {"F031", kBadData, "tokenizer part not supported",
     "The tokenizer asks for a model, normalizer, split or decoder that slmtune does not "
     "implement. Guessing would give wrong ids and a spoilt model, so it stops. Supported are "
     "SentencePiece BPE without a character map, and byte-level BPE with the splits of GPT-2, "
     "Llama 3, Qwen2, GPT-4o and Tekken, with or without NFC."},
    {"F032", kBadData, "tokenizer vocabulary inconsistent",
     "Two pieces share an id, an id or a count is out of range, or a merge or special token names "
     "a piece that the vocabulary does not have. Usually files of two models were mixed, or the "
     "file was edited by hand. Fetch the tokenizer's file and tokenizer_config.json of one "
     "revision."},
    {"F033", kBadData, "tokenizer does not fit the model",
     "The tokenizer makes ids that the model's embedding has no row for. Usually the tokenizer "
     "files come from another model than the weights. Fetch all files of one revision of one "
     "model into one folder."},
    {"F040", kBadData, "chat template unknown",
     "The model's Jinja chat template is none that slmtune knows; templates are recognised, not "
     "run, so that training "
     "and labels are exact. If a known template prints the same text, name it with "
     "model.template."},
    {"F041", kBadData, "no chat template",
     "The model folder has no chat template (chat_template.jinja, or 'chat_template' in "
     "tokenizer_config.json), as is "
     "usual for base models. Name one with model.template, or use rows of plain text, or of prompt "
     "and completion."},
    {"F042", kBadData, "tokenizer lacks a special token",
     "The chat template ends a turn with a token that the tokenizer does not have, or no eos token "
     "is named. A model "
     "trained so would never stop. Choose the template of this model with model.template, or take "
     "over the tokenizer "
     "files of its source."},
    {"F050", kBadData, "model architecture not supported",
     "config.json names an architecture that slmtune does not have. The message lists those it "
     "has. Many models are one of them under another name; a fine-tune keeps the architecture "
     "of its base model."},
    {"F051", kBadData, "model option not supported",
     "config.json asks for something that the architecture allows but slmtune does not "
     "compute: another rope scaling, another activation, or weights that are "
     "quantised already in another way than the 4-bit format nf4 of bitsandbytes. Training with the option ignored would give a wrong model, so it is "
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
    {"F057", kBadData, "stored 4-bit weight that does not fit its shape",
     "The bytes, the block scales or the scales of the scales of a 4-bit weight are more or fewer "
     "than its shape needs: the file is damaged or of another model. Fetch the model again, or "
     "take "
     "its 16-bit folder and let slmtune quantise it with model.quant: nf4."},
    {"F058", kBadData, "stored 4-bit weight malformed",
     "A weight is stored in the 4-bit format of bitsandbytes, but a part is missing or says "
     "something that the format does not have: the description, a table of values, a block size, "
     "a scale that is no finite number, or config.json without the quantization_config that "
     "belongs to such weights. Fetch the model again, or take its 16-bit folder and let slmtune "
     "quantise it with model.quant: nf4."},
    {"F060", kBadData, "adapter_config.json malformed",
     "The adapter folder has an adapter_config.json in which a member is missing or has a "
     "value that it cannot have. Save the adapter again with the tool that made it."},
    {"F061", kBadData, "adapter feature not supported",
     "The adapter uses something beyond LoRA, rsLoRA and DoRA on linear layers, such as fully "
     "trained modules or trained biases. The message names it. Merge the adapter into its base "
     "model with PEFT (merge_and_unload) and use the merged model."},
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
     "float16 holds; it would become infinite. Let the merged model be written in bfloat16, which "
     "reaches as far as float32 (slmtune merge --dtype bfloat16); for GGUF, export that folder."},
    {"F080", kBadData, "checkpoint does not fit",
     "A tensor of the checkpoint is missing, or has a shape or type that the model at hand does "
     "not have. The checkpoint "
     "was made with another model, adapter or version. Start a new run with --resume never, or put "
     "the recipe back."},
    {"F081", kBadData, "checkpoint damaged",
     "A file of the checkpoint is missing, or its size or SHA-256 is not the one that state.json "
     "recorded when it was "
     "saved. 'slmtune train' passes such a checkpoint over and goes on from the one before it. If "
     "this happens again, "
     "check the disk."},
    {"F090", kBadData, "not a GGUF file",
     "The file does not start with the GGUF mark, or it has another version than 2 or 3, or the "
     "other byte order. Only little-endian GGUF of these versions is read, which every converter "
     "has written since the middle of 2023. Usually the "
     "path names another kind of file, or a Git LFS pointer was saved under its name."},
    {"F091", kBadData, "GGUF metadata malformed",
     "A key or value in the head of a GGUF file breaks the format: a key that stands twice, an "
     "unknown type, a boolean "
     "that is neither 0 nor 1, a text too long or an alignment that is no power of two. Nothing of "
     "such a file is used. "
     "Export or download it again."},
    {"F092", kBadData, "GGUF tensor table malformed",
     "The tensor table of a GGUF file breaks the format: a name that stands twice or is too long, "
     "an unknown type, a "
     "shape that does not divide into blocks, or offsets with a gap, an overlap or bytes after the "
     "end. Export or "
     "download the file again."},
    {"F093", kBadData, "GGUF file truncated",
     "The file ends before what its head promises. Almost always a download or a copy stopped "
     "early, or the disk was "
     "full when the file was written. Compare the size with the source and fetch it again."},
    {"F094", kBadData, "model cannot be written as GGUF",
     "The model has something that a GGUF file cannot say, or that llama.cpp would compute "
     "otherwise: an architecture or rope scaling that it does not know, a score scale or soft-caps "
     "other than the ones it takes for the architecture, a tensor without a GGUF name, a tokenizer "
     "whose ids it would not give, more tokens than embedding rows, two tokens of one text, or no "
     "end token. Export a Hugging Face folder instead, or use the tokenizer that belongs to the "
     "weights."},
    {"F095", kBadData, "written GGUF differs from its source",
     "After writing, the file is opened again and every value is compared with its source. A "
     "difference larger than the "
     "encoding's rounding was found, so the file was removed. Disk or memory may be faulty: export "
     "again, to another "
     "disk if it repeats."},
    {"F096", kBadData, "value does not fit the encoding",
     "A weight is not a finite number, or it is larger than the chosen encoding can hold (65504 "
     "for f16). Writing it "
     "would give a model that answers with nonsense. Export with encoding bf16 or f32; when the "
     "value is not finite, "
     "the weights are damaged or training diverged."},
    {"F097", kBadData, "adapter cannot be written as GGUF",
     "A GGUF adapter holds pairs of low-rank matrices, each for one tensor of the base model's GGUF "
     "file. DoRA scales whole rows, which has no such form, and the embedding or head of a model "
     "that keeps both in one tensor cannot be changed by itself. Merge the adapter instead (slmtune "
     "export --format gguf), or train with other target modules."},
    {"F100", kBadData, "GGUF key missing or wrong",
     "A GGUF file lacks a key that its model or tokenizer needs, or the key holds another kind of "
     "value or one out of range. The message names the key. Usually the file was made by an old "
     "or unfinished converter, or holds something else than a whole model (an adapter, a part of "
     "a split model, a vocabulary). Convert the model again with a current version, or use its "
     "Hugging Face folder."},
    {"F101", kBadData, "GGUF model not supported",
     "The GGUF file is sound but holds a model that slmtune cannot run: another architecture, "
     "several experts, or tensors in an encoding that slmtune does not decode. The message says "
     "which, and what is supported. 'slmtune inspect' still shows what the file holds."},
    {"F110", kBadData, "not an importance matrix",
     "An importance matrix holds, for every matrix of a model, the sum of squares of each input "
     "column over a text. slmtune reads the files of llama.cpp's llama-imatrix, in the GGUF form "
     "and the older .dat form, and this file is neither, ends too early, or has a value that no sum "
     "of squares can have. Collect it again, or let slmtune collect it (--imatrix auto)."},
    {"F111", kBadData, "importance matrix of another model",
     "The importance matrix has no values for one of the model's matrices, or of another width, so "
     "it was collected with another model. Rounding by it would spare the wrong columns. Take the "
     "matrix of this model, or let slmtune collect it (--imatrix auto)."},
    {"F120", kRefused, "written model does not answer as the trained one",
     "An exported GGUF file is read again, and what it answers to held-out prompts is compared with "
     "the trained model's answers. Perplexity rose more, or fewer greedy tokens were the same, than "
     "the limits allow, so the file was not published; what was at its place stays. Export with more "
     "bits (q8_0, q6_k), which small models need; or, when the answers are good enough, raise "
     "max_perplexity_increase or lower min_greedy_agreement, in the recipe's 'export' or on the "
     "command line. --no-verify leaves the comparison out."},
};

}  // namespace

std::span<const ErrorRow> file_format_rows() {
  return kRows;
}

}  // namespace slmtune
