#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/describe.h"

// Replays the sessions in data/<vendor>/*.txt. A line there is
//   #             a comment,
//   S: text       a line of the server, CRLF follows; \xNN is an octet,
//   C: text       a line of the client: the server's part so far must be complete,
//   => response   what the server's lines so far mean, in support/describe.h's words; the last
//                 ones are "error" for a protocol error, "end" or "unfinished".
namespace mailboxfs::imap {
namespace {

namespace fs = std::filesystem;

struct Session {
  std::string server;                      // All octets of the server.
  std::vector<std::string> expected;       // One per response.
  std::vector<size_t> pauses;              // Octets of the server before each of the client's lines.
  std::vector<size_t> expected_at_pauses;  // Responses until there.
};

std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == "\\x" && i + 4 <= text.size()) {
      out.push_back(static_cast<char>(std::stoi(std::string(text.substr(i + 2, 2)), nullptr, 16)));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

Session Load(const fs::path& path) {
  Session session;
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("S: ")) {
      session.server += Unescape(line.substr(3)) + "\r\n";
    } else if (line == "S:") {
      session.server += "\r\n";
    } else if (line.starts_with("=> ")) {
      session.expected.push_back(line.substr(3));
    } else if (line.starts_with("C: ")) {
      session.pauses.push_back(session.server.size());
      session.expected_at_pauses.push_back(session.expected.size());
    } else {
      EXPECT_TRUE(line.empty() || line.starts_with("#")) << path << ": " << line;
    }
  }
  return session;
}

std::vector<fs::path> Transcripts() {
  std::vector<fs::path> paths;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(MAILBOXFS_TRANSCRIPTS)) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

class Transcript : public ::testing::TestWithParam<fs::path> {};

TEST_P(Transcript, MeansWhatItSays) {
  const Session session = Load(GetParam());
  EXPECT_EQ(testing::ReadAll(session.server, {}), session.expected);
}

TEST_P(Transcript, MeansTheSameInAnyChunks) {
  const Session session = Load(GetParam());
  for (const bool stream : {false, true}) {
    EXPECT_EQ(testing::ReadAll(session.server, {.chunk = 1, .stream = stream}), session.expected);
  }
  for (size_t cut = 1; cut < session.server.size(); ++cut) {
    ASSERT_EQ(testing::ReadAll(session.server, {.stream = true, .first_cut = cut}), session.expected) << cut;
  }
}

TEST_P(Transcript, TheServerIsDoneWhenTheClientSpeaks) {
  const Session session = Load(GetParam());
  for (size_t i = 0; i < session.pauses.size(); ++i) {
    std::vector<std::string> expected(
        session.expected.begin(),
        session.expected.begin() + static_cast<std::ptrdiff_t>(session.expected_at_pauses[i]));
    expected.emplace_back("end");
    EXPECT_EQ(testing::ReadAll(session.server.substr(0, session.pauses[i]), {}), expected) << i;
  }
}

std::string Name(const ::testing::TestParamInfo<fs::path>& info) {
  std::string name = info.param.parent_path().filename().string() + "_" + info.param.stem().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Vendors, Transcript, ::testing::ValuesIn(Transcripts()), Name);

}  // namespace
}  // namespace mailboxfs::imap
