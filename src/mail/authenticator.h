#pragma once

#include <optional>
#include <string>

#include "mail/connection.h"
#include "mail/login.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/secret.h"

namespace mailboxfs::mail {

// Logs one connection in (RFC 3501 section 6.2, SASL-IR of RFC 4959). Thread-bound.
class Authenticator {
 public:
  Authenticator(Connection& connection, LoginTrace& trace) : connection_(connection), trace_(trace) {}

  // Returns the refusal if the server did not accept the token, so that another one can be tried.
  // Throws everything else, a refused password too.
  base::Status LogInWithToken(const oauth::AccessToken& token);
  void LogInWithPassword(const base::Secret& password);

 private:
  struct Mechanism {
    std::string name;
    base::Secret response;                 // In Base64.
    std::string failure_answer;            // To the challenge that says why it failed.
    const base::Secret* secret = nullptr;  // What is in it; borrowed.
  };

  Mechanism TokenMechanism(const oauth::AccessToken& token) const;
  // With the initial response if possible, else, or if that is not understood, in two steps.
  imap::StatusResponse Authenticate(const Mechanism& mechanism);
  imap::StatusResponse AuthenticateOnce(const Mechanism& mechanism, bool initial_response);
  imap::StatusResponse LogInPlainly(const base::Secret& password);
  // The refusal, or nullopt for OK. Throws for trouble that says nothing about the login.
  base::Status Judge(const imap::StatusResponse& status);
  std::string OfferedMechanisms() const;

  Connection& connection_;
  LoginTrace& trace_;
  std::string failure_;  // What the challenge of a failed attempt said.
};

}  // namespace mailboxfs::mail
