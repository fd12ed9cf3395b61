// The source and the real HTTP client together, against a server on this machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "../net/net_testing.h"
#include "mailboxfs/net/transport.h"
#include "oauth_testing.h"

namespace mailboxfs::oauth {
namespace {

TEST(EndpointTest, FormValuesReachTheServerEncodedOnce) {
  net::InitNetwork();
  std::promise<std::string> request;
  net::testing::TcpServer server([&](int fd) {
    request.set_value(net::testing::ReceiveUntil(fd, "value"));
    const std::string body = testing::Grant("tok");
    net::testing::SendAll(fd, "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  });
  const auto http = net::MakeCurlHttpClient();
  ClientCredentials grant = testing::Credentials("http://127.0.0.1:" + std::to_string(server.port()) + "/token",
                                                 ClientSecret{[] { return base::Secret(testing::kSecret); }});
  grant.client.id = "the client";
  const auto source = MakeTokenSource(grant, *http, base::Clock::System(), [] { return 0.0; });
  const base::WakeEvent wake;
  EXPECT_EQ(source->Get(net::testing::Soon(), wake).value.Reveal(), "tok");
  EXPECT_THAT(request.get_future().get(),
              ::testing::EndsWith("\r\n\r\ngrant_type=client_credentials&client_id=the%20client"
                                  "&scope=https%3A%2F%2Fx.test%2F.default&client_secret=s3cr~t%2B%26%3D%25value"));
}

}  // namespace
}  // namespace mailboxfs::oauth
