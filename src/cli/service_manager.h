#pragma once

#include <string_view>

namespace mailboxfs::cli {

// sd_notify(3)'s protocol: sends `state` ("READY=1") to $NOTIFY_SOCKET; nothing without it.
void NotifyServiceManager(std::string_view state);

}  // namespace mailboxfs::cli
