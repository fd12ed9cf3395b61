#pragma once

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/fd.h"
#include "mailboxfs/oauth/login.h"
#include "oauth_client.h"
#include "token_request.h"

// How both interactive logins begin and end.
namespace mailboxfs::oauth {

// Throws before a person is troubled if the login could not be stored in the end: Error kDisk, kDiskFull, kConfig,
// kTimeout, kCancelled.
void CheckLoginFile(const InteractiveLogin& login, const base::Clock& clock, const base::WakeEvent& wake);

// The token of a login, once its refresh token is in the file. Throws the failure; kLoginRefused if there is no
// refresh token; kDisk, kDiskFull, kTimeout, kCancelled.
AccessToken FinishLogin(const InteractiveLogin& login, const OauthClient& client, TokenAnswer answer,
                        const base::Clock& clock, const base::WakeEvent& wake);

}  // namespace mailboxfs::oauth
