#pragma once

#include <string>
#include <string_view>

#include "mailboxfs/json/json.h"
#include "mailboxfs/net/http_client.h"
#include "token_request.h"
#include "token_response.h"

namespace mailboxfs::oauth {

// Reads what an endpoint said in place of what it was asked for: what it is, what to do about it, and when to ask
// again. `answer` is the body, if it is JSON. Reentrant.
TokenFailure ReadFailure(const net::HttpResponse& response, const json::Value& answer, const ResponseContext& context);

// The first line that holds something, fit to be shown. Reentrant.
std::string FirstLine(std::string_view text, const ResponseContext& context, size_t limit);

}  // namespace mailboxfs::oauth
