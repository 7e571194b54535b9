#include "core/internal/error_tables.h"

namespace slmtune {
namespace {

using enum ExitCode;

// V: servers that `slmtune deploy` hands models to. One row per code, sorted by code.
constexpr ErrorRow kRows[] = {
    {"V001", kUnavailable, "server not reached",
     "No connection to the server came about, or it broke off: it does not run, listens elsewhere, "
     "or is too busy. Start it, and check 'url' in the target's file. Whatever it served before it "
     "still serves; the same command goes on from here."},
    {"V002", kRefused, "served model reads prompts differently",
     "Before a model serves, a hundred neutral chats are turned into tokens by the server and by "
     "training's own code, and they differ. Such a model would answer badly or never stop, so the "
     "one that served before goes on. The usual causes are a chat template that the server was "
     "told to use in place of the file's, a recipe with 'model.template' of another family, or a "
     "server too old for the model's tokenizer."},
    {"V003", kUnavailable, "server does not start",
     "The program llama-server was not found, ended while it loaded the model, did not answer "
     "within 'wait_seconds', or its port is taken by another program. Its own messages are in the "
     "log that the message names, in the folder deploy of the store. The model that served before "
     "goes on."},
    {"V004", kNoInput, "no such target",
     "A target is described by a small file in the store, deploy/NAME.yaml, which the first deploy "
     "writes from --kind and --set. There is none of that name. See docs/deploy.md for what each "
     "kind needs."},
    {"V005", kUnavailable, "server refuses the model",
     "The server was reached and answered with an error: the message repeats its words. It may be "
     "too old for what is asked of it, have no room left, or not know the model's architecture. "
     "The model that served before goes on."},
    {"V006", kRecipe, "address not allowed",
     "Deploy talks to servers of this machine only (127.0.0.1, ::1, localhost). For another "
     "machine "
     "the target needs 'allow_remote: true' and an address that begins with https, so that models "
     "do not cross a network in clear. User names, paths and queries do not belong into the "
     "address."},
    {"V007", kNoInput, "nothing deployed to go back to",
     "A rollback puts the model back that a target served before. The store has no record of an "
     "earlier one for this target, or its file is gone. Deploy the snapshot that is wanted "
     "instead: "
     "'slmtune deploy STORE#41 --target NAME'."},
    {"V008", kBadData, "record of a target damaged",
     "The file deploy/NAME.json in the store says what a target serves. It is only ever replaced "
     "as a whole and ends with its own checksum, so somebody edited it or the disk is failing. "
     "Remove it and deploy again; servers that run are found by nobody then and have to be stopped "
     "by hand."},
    {"V009", kTryLater, "servers hold the memory",
     "The model servers of this store were asked to unload, and the memory that training needs did "
     "not become free in time: another program holds it, or requests keep the models loaded. The "
     "servers were put back as they were. Try again later, or stop that program."},
};

}  // namespace

std::span<const ErrorRow> serving_rows() {
  return kRows;
}

}  // namespace slmtune
