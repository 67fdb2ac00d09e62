// What operators write: URLs of stores and credentials; and what S3 answers.
#include "storage/objects/store_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

#include "storage/objects/aws_credentials.h"
#include "storage/objects/s3_answers.h"
#include "tests/support/temp_dir.h"

namespace cairn::objects {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::map<std::string, std::string>& Variables() {
  static auto* const variables = new std::map<std::string, std::string>();
  return *variables;
}

const char* Lookup(const char* name) {
  const auto found = Variables().find(name);
  return found == Variables().end() ? nullptr : found->second.c_str();
}

TEST(StoreUrlTest, WhereTheBucketIs) {
  struct Case {
    const char* url;
    const char* bucket_url;
    const char* prefix;
    const char* region;
  };
  const Case cases[] = {
      {"s3://snaps", "https://snaps.s3.us-east-1.amazonaws.com", "", "us-east-1"},
      {"s3://snaps/a%20b/c/?region=eu-west-1", "https://snaps.s3.eu-west-1.amazonaws.com", "a b/c",
       "eu-west-1"},
      {"s3://sn.aps/p", "https://s3.us-east-1.amazonaws.com/sn.aps", "p", "us-east-1"},
      {"s3://snaps/p?endpoint=http://127.0.0.1:9000", "http://127.0.0.1:9000/snaps", "p",
       "us-east-1"},
      {"s3://snaps?endpoint=https%3A%2F%2Fh:1&path-style=false", "https://snaps.h:1", "",
       "us-east-1"},
  };
  Variables().clear();
  for (const Case& c : cases) {
    SCOPED_TRACE(c.url);
    const auto parsed = ParseStoreUrl(c.url, Lookup);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    const auto& s3 = std::get<S3StoreUrl>(*parsed);
    EXPECT_EQ(s3.BucketUrl(), c.bucket_url);
    EXPECT_EQ(s3.prefix, c.prefix);
    EXPECT_EQ(s3.region, c.region);
  }
  Variables() = {{"AWS_DEFAULT_REGION", "sa-east-1"}};
  EXPECT_EQ(std::get<S3StoreUrl>(*ParseStoreUrl("s3://snaps", Lookup)).region, "sa-east-1");
  EXPECT_EQ(std::get<FileStoreUrl>(*ParseStoreUrl("file:///a%20b/c/", Lookup)).directory, "/a b/c");
}

TEST(StoreUrlTest, WhatCannotWorkIsRefusedWithWords) {
  struct Case {
    const char* url;
    const char* says;
  };
  const Case cases[] = {
      {"", "begins with"},
      {"/dir", "begins with"},
      {"file://host/dir", "three slashes"},
      {"file:///", "root"},
      {"file:///d?x=1", "no options"},
      {"file:///a%2", "two hex digits"},
      {"s3://", "bucket name"},
      {"s3://key:secret@bucket/p", "bucket name"},
      {"s3://Bucket", "bucket name"},
      {"s3://snaps/a//b", "slashes"},
      {"s3://snaps?part-mib=4", "from 5 to 1024"},
      {"s3://snaps?part-mib=9x", "from 5 to 1024"},
      {"s3://snaps?path-style=yes", "true or false"},
      {"s3://snaps?secret=1", "unknown option"},
      {"s3://snaps?region=a&region=b", "twice"},
      {"s3://snaps?region=", "no value"},
      {"s3://snaps?endpoint=ftp://h", "neither"},
      {"s3://snaps?endpoint=https://u:p@h", "no password"},
      {"s3://snaps?endpoint=https://h/path", "no path"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.url);
    const absl::Status status = ParseStoreUrl(c.url, Lookup).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.says));
  }
}

TEST(AwsCredentialsTest, TheEnvironmentThenTheFile) {
  const cairn::testing::TempDir directory;
  std::ofstream(directory.File("credentials"))
      << "# ours\n[default]\naws_access_key_id = D\naws_secret_access_key=s=1/+\n"
      << "[ci]\r\naws_access_key_id=C\r\naws_secret_access_key = t\r\naws_session_token = u\r\n"
      << "[half]\naws_access_key_id=H\n";
  Variables() = {{"AWS_SHARED_CREDENTIALS_FILE", directory.File("credentials")}};
  auto credentials = LoadAwsCredentials(Lookup);
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  EXPECT_EQ(credentials->access_key_id, "D");
  EXPECT_EQ(credentials->secret_access_key, "s=1/+");
  EXPECT_EQ(credentials->session_token, "");

  Variables()["AWS_PROFILE"] = "ci";
  EXPECT_EQ(LoadAwsCredentials(Lookup)->session_token, "u");
  for (const char* profile : {"half", "none"}) {
    Variables()["AWS_PROFILE"] = profile;
    const absl::Status status = LoadAwsCredentials(Lookup).status();
    EXPECT_TRUE(absl::IsUnauthenticated(status));
    EXPECT_THAT(std::string(status.message()), HasSubstr(profile));
  }
  Variables()["AWS_ACCESS_KEY_ID"] = "E";
  EXPECT_TRUE(absl::IsUnauthenticated(LoadAwsCredentials(Lookup).status())) << "half of a pair";
  Variables()["AWS_SECRET_ACCESS_KEY"] = "topsecret\r\nx-evil: 1";
  const absl::Status evil = LoadAwsCredentials(Lookup).status();
  EXPECT_TRUE(absl::IsUnauthenticated(evil));
  EXPECT_THAT(std::string(evil.message()), Not(HasSubstr("topsecret")));
  Variables()["AWS_SECRET_ACCESS_KEY"] = "f";
  EXPECT_EQ(LoadAwsCredentials(Lookup)->access_key_id, "E");
  Variables() = {{"HOME", directory.File("nobody")}};
  EXPECT_THAT(std::string(LoadAwsCredentials(Lookup).status().message()),
              HasSubstr("AWS_ACCESS_KEY_ID"));
}

TEST(S3AnswersTest, APageOfAListing) {
  const auto page = ParseListPage(
      "<?xml version='1.0'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
      "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
      "<Contents><Key>a%2Fb+c</Key><LastModified>2026-11-22T10:20:30.500Z</LastModified>"
      "<Size>7</Size></Contents><NextContinuationToken>n&amp;1</NextContinuationToken>"
      "</ListBucketResult>");
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->objects.size(), 1u);
  EXPECT_EQ(page->objects[0].key, "a/b c");
  EXPECT_EQ(page->objects[0].bytes, 7u);
  EXPECT_EQ(page->objects[0].modified_us, 1'795'342'830'500'000);
  EXPECT_EQ(page->next, "n&1");
}

TEST(S3AnswersTest, ACompletionMayBeginWithBlanksAndEndAsAnError) {
  // S3 sends blanks while it puts the parts together.
  const auto done =
      ParseUploadCompleted(" \n <?xml version='1.0'?><CompleteMultipartUploadResult/>");
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_FALSE(done->has_value());
  const auto failed =
      ParseUploadCompleted(" <?xml version='1.0'?><Error><Code>SlowDown</Code></Error>");
  ASSERT_TRUE(failed.ok() && failed->has_value());
  EXPECT_EQ((*failed)->code, "SlowDown");
}

TEST(S3AnswersTest, WhatIsNoAnswerIsRefused) {
  for (const char* xml :
       {"", "x", "<html/>", "<ListBucketResult>", "<ListBucketResult/>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key></Contents>"
        "</ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>-1</Size>"
        "<LastModified>2026-11-22T10:20:30Z</LastModified></Contents></ListBucketResult>"}) {
    EXPECT_TRUE(absl::IsDataLoss(ParseListPage(xml).status())) << xml;
    EXPECT_TRUE(absl::IsDataLoss(ParseUploadsPage(xml).status())) << xml;
    EXPECT_TRUE(absl::IsDataLoss(ParseUploadBegun(xml).status())) << xml;
    EXPECT_FALSE(ParseS3Error(xml).has_value()) << xml;
  }
  for (const char* time :
       {"", "now", "2026-11-22", "2026-11-22T10:20:30", "2026-13-01T00:00:00Z"}) {
    EXPECT_EQ(ParseIsoTime(time), std::nullopt) << time;
  }
}

}  // namespace
}  // namespace cairn::objects
