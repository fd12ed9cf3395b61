#include "mailboxfs/cli/mount_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mailboxfs/base/error.h"

namespace mailboxfs::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string ErrorOf(const std::string& list) {
  try {
    ParseMountOptions({list});
  } catch (const base::Error& error) {
    EXPECT_EQ(error.kind(), base::ErrorKind::kConfig);
    return error.what();
  }
  return "";
}

TEST(MountOptions, DropsWhatIsForFstabOnly) {
  const MountOptions options =
      ParseMountOptions({"noauto,_netdev,nofail,user,ro,rw,nosuid,x-systemd.automount,comment=mine", "x-foo=a"});
  EXPECT_THAT(options.for_fuse, IsEmpty());
}

TEST(MountOptions, DropsWhatMountPassesOn) {
  const MountOptions options = ParseMountOptions(
      {"strictatime,nostrictatime,lazytime,nolazytime,diratime,norelatime,dirsync,silent,loud,iversion,noiversion",
       "mand,nomand,nosymfollow,symfollow,noowner,nogroup,nousers,user=ada,X-mount.mkdir,X-mount.mkdir=0700"});
  EXPECT_THAT(options.for_fuse, IsEmpty());
}

TEST(MountOptions, PassesOnWhatFuseKnowsOnce) {
  EXPECT_THAT(ParseMountOptions({"allow_other,ro", "allow_other"}).for_fuse, ElementsAre("allow_other"));
}

TEST(MountOptions, ReadsOwnOptionsWithEscapedCommas) {
  const MountOptions options = ParseMountOptions({"uid=1000,gid=100,umask=027,config=/a\\,b.json,log_level=debug"});
  EXPECT_EQ(options.uid, 1000U);
  EXPECT_EQ(options.gid, 100U);
  EXPECT_EQ(options.umask, 027U);
  EXPECT_EQ(options.config, "/a,b.json");
  EXPECT_EQ(options.log_level, "debug");
}

TEST(MountOptions, RefusesAutoUnmountAndSaysWhy) { EXPECT_THAT(ErrorOf("auto_unmount"), HasSubstr("backup")); }

TEST(MountOptions, NamesWhatItDoesNotKnow) {
  EXPECT_THAT(ErrorOf("direct_io"), HasSubstr("\"direct_io\""));
  EXPECT_THAT(ErrorOf("remount"), HasSubstr("\"remount\""));
  EXPECT_THAT(ErrorOf("uid="), HasSubstr("\"uid=\""));
  EXPECT_THAT(ErrorOf("uid=-1"), HasSubstr("uid"));
  EXPECT_THAT(ErrorOf("uid=99999999999"), HasSubstr("uid"));
  EXPECT_THAT(ErrorOf("umask=099"), HasSubstr("octal"));
}

}  // namespace
}  // namespace mailboxfs::cli
