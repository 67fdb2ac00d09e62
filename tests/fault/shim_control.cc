#include "tests/fault/shim_control.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

namespace cairn::fault {

ShimPage::ShimPage(const std::string& path) : path_(path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  CHECK_GE(fd, 0);
  CHECK_EQ(ftruncate(fd, sizeof(ShimControl)), 0);
  void* const page = mmap(nullptr, sizeof(ShimControl), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(page != MAP_FAILED);
  close(fd);
  control_ = static_cast<ShimControl*>(page);
}

ShimPage::~ShimPage() { munmap(control_, sizeof(ShimControl)); }

void ShimPage::SetRate(int64_t ppm) {
  const int64_t now = SystemClock().Mono();
  const int64_t gained = (now - control_->rate_since_us) * control_->rate_ppm / 1'000'000;
  // In this order the clock never goes back by more than what passes between two stores, and
  // whoever reads in between a clock that runs fast sees it jump forward, not back.
  control_->gained_us += gained;
  control_->rate_since_us = now;
  control_->rate_ppm = ppm;
}

}  // namespace cairn::fault
