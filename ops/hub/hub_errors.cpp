#include "ops/hub/hub_errors.h"

#include "core/text.h"

namespace slmtune::ops {
namespace {

std::string header(const HttpReply& reply, const char* name) {
  auto found = reply.headers.find(name);
  return found == reply.headers.end() ? "" : shown(found->second, 200);
}

[[noreturn]] void throw_no_answer(const std::string& where, const HttpReply& reply) {
  std::string help = "check the network and HTTPS_PROXY; the same command goes on from here";
  switch (reply.outcome) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      help = "behind a proxy that opens TLS, name its certificates with SSL_CERT_FILE";
      break;
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WRITE_ERROR:
      throw UnavailableError("H007", where,
                             reply.outcome == CURLE_TOO_MANY_REDIRECTS
                                 ? "the hub redirects without end"
                             : reply.outcome == CURLE_UNSUPPORTED_PROTOCOL
                                 ? "the hub redirects to another protocol"
                                 : "the hub's answer is longer than a list of files can be",
                             "check HF_ENDPOINT");
    default:
      break;
  }
  throw UnavailableError("H001", where, "the hub was not reached: " + shown(reply.problem), help);
}

[[noreturn]] void throw_refused(const HubSettings& hub, const Repository& repository,
                                const std::string& where, const HttpReply& reply) {
  const bool gated = header(reply, "x-error-code") == "GatedRepo";
  const std::string page = page_url(hub, repository);
  if (hub.token.empty())
    throw UnavailableError(
        "H002", where,
        gated ? "the model is gated and no token was given"
              : "the hub asks for a token (HTTP " + std::to_string(reply.status) + ")",
        (gated ? "accept the licence at " + page + ", then put" : std::string("put")) +
            " a token with read access into " + hub.token_place);
  throw UnavailableError(
      "H002", where,
      gated ? "the model is gated and the token's owner has no access to it"
            : "the hub refuses the token (HTTP " + std::to_string(reply.status) + ")",
      gated ? "accept the licence at " + page + " as the token's owner"
            : "check the token in " + hub.token_place + " and what it may read");
}

[[noreturn]] void throw_absent(const HubSettings& hub, const Repository& repository,
                               const std::string& where, const HttpReply& reply) {
  const std::string code = header(reply, "x-error-code");
  if (code == "RevisionNotFound")
    throw UserError(
        "H004", where,
        "'" + repository.name + "' has no branch, tag or commit '" + repository.revision + "'",
        "look at " + page_url(hub, repository) + " for those it has");
  if (code == "EntryNotFound")
    throw UnavailableError("H007", where, "the hub lists this file but does not have it",
                           "try again later, or name another revision after an @");
  throw UserError("H003", where, "the hub has no model '" + repository.name + "'",
                  hub.token.empty()
                      ? "check the spelling; a private model needs a token in " + hub.token_place
                      : "check the spelling, and what the token may read");
}

}  // namespace

void throw_http_error(const HubSettings& hub, const Repository& repository,
                      const std::string& where, const HttpReply& reply) {
  if (reply.outcome != CURLE_OK) throw_no_answer(where, reply);
  // The hub says 401 for a repository that does not exist when nobody is logged in.
  if (reply.status == 404 || header(reply, "x-error-code") == "RepoNotFound")
    throw_absent(hub, repository, where, reply);
  if (reply.status == 401 || reply.status == 403) throw_refused(hub, repository, where, reply);
  std::string what = "the hub answers with HTTP " + std::to_string(reply.status);
  if (const std::string said = header(reply, "x-error-message"); !said.empty()) what += ": " + said;
  throw UnavailableError("H008", where, what,
                         "try again later; the same command goes on from here");
}

}  // namespace slmtune::ops
