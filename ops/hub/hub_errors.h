// What a hub's refusal means.
#pragma once
#include <string>

#include "ops/http/http.h"
#include "ops/hub/address.h"

namespace slmtune::ops {

// The error for a request that failed for good. `where` is its URL.
// H001 no connection, H002 access, H003 repository, H004 revision, H007 nonsense, H008 server
// error.
[[noreturn]] void throw_http_error(const HubSettings& hub, const Repository& repository,
                                   const std::string& where, const HttpReply& reply);

}  // namespace slmtune::ops
