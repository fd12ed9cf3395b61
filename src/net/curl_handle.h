#pragma once

#include <curl/curl.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"

// libcurl's handles, for net's own sources only.
namespace mailboxfs::net {

// Owns a list of header lines. Move-only. Reentrant.
class CurlList {
 public:
  void Append(const char* line);
  curl_slist* get() const noexcept { return list_.get(); }

 private:
  struct Free {
    void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
  };
  std::unique_ptr<curl_slist, Free> list_;
};

// Owns a parsed URL. Move-only. Reentrant.
class CurlUrl {
 public:
  // Throws Error(kConfig) if `url` is none.
  explicit CurlUrl(const std::string& url);
  // Empty if the URL has no such part.
  std::string Part(CURLUPart part) const;

 private:
  struct Free {
    void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
  };
  std::unique_ptr<CURLU, Free> url_;
};

// Owns an easy handle with its error buffer. Move-only. Reentrant. Set throws Error(kInternal)
// if this libcurl lacks the option. It copies strings, as libcurl does.
class CurlEasy {
 public:
  CurlEasy();

  CURL* get() const noexcept { return easy_.get(); }
  void Set(CURLoption option, long value) { Check(option, curl_easy_setopt(get(), option, value)); }
  void Set(CURLoption option, const std::string& value) {
    Check(option, curl_easy_setopt(get(), option, value.c_str()));
  }
  // A pointer that is borrowed: to a function, its data, a list, or bytes to post.
  template <typename T>
  void SetPointer(CURLoption option, T* value) {
    Check(option, curl_easy_setopt(get(), option, value));
  }
  long GetLong(CURLINFO info) const noexcept;
  // Microseconds.
  curl_off_t GetTime(CURLINFO info) const noexcept;
  // -1 if there is no connection.
  curl_socket_t GetSocket() const noexcept;
  // What went wrong, in libcurl's words, made printable.
  std::string ErrorText(CURLcode code) const;

 private:
  struct Free {
    void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
  };
  static void Check(CURLoption option, CURLcode code);

  // On the heap because libcurl keeps its address. It outlives the handle, which may write into it.
  std::unique_ptr<std::array<char, CURL_ERROR_SIZE>> error_text_;
  std::unique_ptr<CURL, Free> easy_;
};

// Owns a multi handle. Move-only. Reentrant.
class CurlMulti {
 public:
  CurlMulti();
  CURLM* get() const noexcept { return multi_.get(); }

 private:
  struct Free {
    void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
  };
  std::unique_ptr<CURLM, Free> multi_;
};

// One transfer in a multi handle of its own, which is what makes it interruptible. The easy
// handle comes with what all transfers share: TLS >= 1.2 with verification, no signals, no
// waiting for the resolver's thread, sockets closed on exec. Thread-bound.
class CurlTransfer {
 public:
  CurlTransfer();
  ~CurlTransfer();
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  CurlEasy& easy() noexcept { return easy_; }
  const CurlEasy& easy() const noexcept { return easy_; }
  // Trusts the CAs in this PEM file instead of the system's.
  void TrustOnly(const std::string& ca_file);
  // Runs it to its end and returns how it ended. Throws Error kTimeout or kCancelled with
  // `what` ("connect to imap.example.org:993") in the text. Call it once.
  CURLcode Run(std::string_view what, const base::Deadline& deadline, const base::WakeEvent& wake);

 private:
  base::Error TimeoutError(std::string_view what) const;

  CurlMulti multi_;
  CurlEasy easy_;
  bool added_ = false;
};

// The Error for a transfer that ended with `code`: "cannot <what>: <libcurl's words>; <hint>".
base::Error TransferError(std::string_view what, CURLcode code, const CurlEasy& easy);

// Whether `host` is a loopback address or "localhost", which libcurl resolves by itself.
bool IsLoopbackHost(std::string_view host);
// Whether it is a link-local address (RFC 3927, RFC 4291 section 2.5.6).
bool IsLinkLocalHost(std::string_view host);

}  // namespace mailboxfs::net
