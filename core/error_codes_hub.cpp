#include "core/internal/error_tables.h"

namespace slmtune {
namespace {

using enum ExitCode;

// H: the model hub that `slmtune pull` reads. One row per code, sorted by code.
constexpr ErrorRow kRows[] = {
    {"H001", kUnavailable, "hub not reached",
     "No connection to the model hub came about, or it broke again and again: no network, a name "
     "that does not resolve, a proxy that refuses, a certificate that is not trusted. Check the "
     "network, HTTPS_PROXY and NO_PROXY; behind a proxy that opens TLS, name its certificates with "
     "SSL_CERT_FILE. What was fetched is kept, and the same command goes on from there."},
    {"H002", kPermission, "hub refused access",
     "The repository is gated or private, or the hub does not accept the token. Open the "
     "repository's page in a browser, accept its licence there, and give a token with read access "
     "in the environment variable HF_TOKEN or in the file that HF_TOKEN_PATH names (by default "
     "~/.cache/huggingface/token). A token is sent to the hub alone and never printed."},
    {"H003", kNoInput, "repository not found",
     "The hub has no model repository of that name, or it is private and no token was given. Names "
     "have the form ORG/NAME, with upper and lower case as on the hub's page."},
    {"H004", kNoInput, "revision not found",
     "The repository exists, but not the branch, tag or commit after the @. Without @ the branch "
     "'main' is taken."},
    {"H005", kBadData, "no weights that can be used",
     "The repository does not hold a complete set of safetensors weights in the layout of "
     "transformers (model.safetensors, or model-00001-of-00002.safetensors and so on with their "
     "index), or it has no config.json. Pickled weights (.bin, .pt, .pth) can run code when they "
     "are read, so they are refused. Look for a repository of the same model in safetensors."},
    {"H006", kBadData, "fetched file differs from the hub's checksum",
     "A file was fetched, twice, and its bytes do not have the SHA-256 or the git hash that the "
     "hub names, or there are more of them than announced; or, without the network, the copy in "
     "the "
     "cache is damaged. Something between here and the hub "
     "changes them, often a proxy or a broken mirror. Nothing of it was put into the folder. Try "
     "another network or another endpoint."},
    {"H007", kUnavailable, "hub's answer makes no sense",
     "The server that HF_ENDPOINT names does not answer as a Hugging Face hub does: no JSON, "
     "members that are missing, file names that lead out of the folder, sizes that no model has, "
     "or files without a checksum. Often a login page of a network or a proxy answers instead. "
     "Check HF_ENDPOINT and the network."},
    {"H008", kUnavailable, "hub answers with an error",
     "The hub answered with an HTTP error that is not about this repository, for example 503 (out "
     "of order) or 429 (too many requests), and did so again after waiting. Try again later: what "
     "was fetched is kept, and the same command goes on from there."},
    {"H009", kUnavailable, "libcurl missing",
     "'slmtune pull' and 'slmtune deploy' speak HTTP by libcurl 7.85 or newer, which is opened when "
     "it is needed. It is not installed here, or older. On Debian and Ubuntu install the package "
     "libcurl4; or copy a model folder here by other means."},
};

}  // namespace

std::span<const ErrorRow> hub_rows() {
  return kRows;
}

}  // namespace slmtune
