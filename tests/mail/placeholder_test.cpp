#include "mail/placeholder.h"

#include <gtest/gtest.h>

#include <string>

#include "mailboxfs/base/encoding.h"

namespace mailboxfs::mail {
namespace {

const std::string kSubject = "Retrieval using the IMAP4 protocol failed for the following message: 155";
const std::string kFrom = "From: \"Microsoft Exchange Server 2010\" <>\r\n";
const std::string kText = "\"The server couldn\xE2\x80\x99t retrieve the following message:\r\n\r\nSubject: Budget\r\n";

std::string WithLf(std::string text) {
  std::erase(text, '\r');
  return text;
}

TEST(PlaceholderTest, IsFoundHoweverItIsWritten) {
  for (const std::string& message : {
           kFrom + "Subject: " + kSubject + "\r\n\r\n" + kText,
           "From: Microsoft Exchange Server\r\nSubject: " + kSubject + "\r\n\r\n" + kText,
           "From: \"Microsoft Exchange Server\" <.MISSING-HOST-NAME.>\r\nSubject: " + kSubject + "\r\n\r\n" + kText,
           "Subject: " + kSubject + "\r\n" + kFrom + "\r\n" + kText,
           kFrom + "SUBJECT:\r\n " + kSubject + "\r\n\r\n" + kText,
           kFrom + "Subject: Retrieval using the IMAP4 protocol\r\n\tfailed for the following message: 1\r\n\r\n" +
               kText,
           kFrom + "Subject: =?utf-8?B?" + base::Base64Encode(kSubject) + "?=\r\n\r\n" + kText,
           kFrom +
               "Subject: =?utf-8?Q?Retrieval_using_the_IMAP4?=\r\n =?utf-8?Q?_protocol_failed_f=C3=BCr:_1?=\r\n\r\n",
           kFrom + "Subject: " + kSubject + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base::Base64Encode(kText),
           kFrom + "Subject: Retrieval using the POP3 protocol failed for the following message: 1\r\n\r\n" + kText,
           WithLf(kFrom + "Subject: " + kSubject + "\r\n\r\n" + kText),
           kFrom + "Subject: " + kSubject,
       }) {
    EXPECT_TRUE(IsExchangePlaceholder(message)) << message;
  }
}

TEST(PlaceholderTest, MailAboutOneIsMail) {
  const std::string whole = kFrom + "Subject: " + kSubject + "\r\n\r\n" + kText;
  for (const std::string& message : {
           "From: Ada <ada@example.org>\r\nSubject: " + kSubject + "\r\n\r\n" + kText,
           "From: Ada <ada@example.org>\r\nSubject: FW: " + kSubject + "\r\n\r\n" + whole,
           kFrom + "Subject: Re: " + kSubject + "\r\n\r\n" + kText,
           kFrom + "Subject: Undeliverable: Budget\r\n\r\n" + whole,
           "From: Ada <ada@example.org>\r\nTo: Microsoft Exchange Server\r\nSubject: " + kSubject + "\r\n\r\n",
           kFrom + "\r\nSubject: " + kSubject + "\r\n",
           kFrom + "Subject: " + kSubject + "\r\n\r\n" + std::string(kMaxPlaceholder, 'x'),
           std::string(),
       }) {
    EXPECT_FALSE(IsExchangePlaceholder(message)) << message.substr(0, 300);
  }
}

}  // namespace
}  // namespace mailboxfs::mail
