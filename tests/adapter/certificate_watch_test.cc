// CertificateWatch: the page has every file once and follows its replacement; what cannot be used
// keeps nobody from being watched.
#include "adapter/certificate_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>

#include "tests/adapter/certificate.h"
#include "tests/integration/process.h"
#include "tests/support/temp_dir.h"

namespace cairn::adapter {
namespace {

using integration::Eventually;
using ::testing::HasSubstr;

constexpr long kHourS = 3600;
constexpr long kDayS = 24 * kHourS;

class CertificateWatchTest : public ::testing::Test {
 protected:
  // A pair that is valid for so long, and is its own authority.
  TlsFiles Write(const std::string& name, long valid_s) {
    const testing::Certificate made = testing::NewCertificate(valid_s);
    const TlsFiles files{dir_.File(name + ".crt"), dir_.File(name + ".key"), ""};
    std::ofstream(files.key) << made.key_pem;
    std::ofstream(files.certificate) << made.certificate_pem;
    return files;
  }
  // Seconds that the page says are left; -1: it does not name the file.
  static int64_t Left(const CertificateWatch& watch, const std::string& file) {
    const std::string page = watch.Metrics();
    const std::string sample = "cairn_agent_tls_certificate_seconds{file=\"" + file + "\"} ";
    const size_t at = page.find(sample);
    if (at == std::string::npos) return -1;
    int64_t left = -1;
    std::from_chars(page.data() + at + sample.size(), page.data() + page.size(), left);
    return left;
  }

  cairn::testing::TempDir dir_;
};

TEST_F(CertificateWatchTest, WithoutFilesThereIsNothingToTell) {
  EXPECT_EQ(CertificateWatch({TlsFiles(), TlsFiles()}).Metrics(), "");
}

TEST_F(CertificateWatchTest, EachFileIsToldOnceWithItsEnd) {
  const TlsFiles front = Write("front", kHourS);
  TlsFiles cluster = Write("cluster", 30 * kDayS);
  cluster.ca = front.certificate;
  const CertificateWatch watch({front, cluster, front});
  const std::string page = watch.Metrics();
  EXPECT_THAT(page, HasSubstr("# TYPE cairn_agent_tls_certificate_seconds gauge\n"));
  EXPECT_EQ(std::count(page.begin(), page.end(), '\n'), 4) << page;
  EXPECT_GT(Left(watch, front.certificate), 0);
  EXPECT_LE(Left(watch, front.certificate), kHourS);
  EXPECT_GT(Left(watch, cluster.certificate), 29 * kDayS);
}

TEST_F(CertificateWatchTest, AReplacedFileIsFollowed) {
  const TlsFiles files = Write("front", kHourS);
  const CertificateWatch watch({files});
  ASSERT_LE(Left(watch, files.certificate), kHourS);
  (void)Write("front", 30 * kDayS);
  EXPECT_TRUE(Eventually([&] { return Left(watch, files.certificate) > kDayS; }));
}

TEST_F(CertificateWatchTest, WhatCannotBeReadIsLookedAtAgain) {
  const TlsFiles good = Write("good", kHourS);
  const TlsFiles missing{dir_.File("late.crt"), dir_.File("late.key"), ""};
  const CertificateWatch watch({missing, good});
  EXPECT_EQ(Left(watch, missing.certificate), -1);
  EXPECT_GT(Left(watch, good.certificate), 0);
  (void)Write("late", kHourS);
  EXPECT_TRUE(Eventually([&] { return Left(watch, missing.certificate) > 0; }));
}

}  // namespace
}  // namespace cairn::adapter
