#include "adapter/redis/live_settings.h"

#include <utility>
#include <vector>

namespace cairn::adapter::redis {

asio::awaitable<absl::Status> LiveSettings::Change(std::string name, std::string value) {
  if (!changed(name)) {
    std::vector<std::string> get = Argv("CONFIG", "GET", name);
    const absl::StatusOr<RespValue> former = co_await link_->CallOk(std::move(get), patience_);
    if (!former.ok()) co_return former.status();
    if (former->items.size() != 2) co_return absl::InternalError("CONFIG GET: no value");
    former_[name] = former->items[1].text;
  }
  std::vector<std::string> set = Argv("CONFIG", "SET", name, value);
  const absl::StatusOr<RespValue> done = co_await link_->CallOk(std::move(set), patience_);
  co_return done.status();
}

asio::awaitable<absl::Status> LiveSettings::PutBack(std::string name) {
  const auto former = former_.find(name);
  if (former == former_.end()) co_return absl::OkStatus();
  std::vector<std::string> set = Argv("CONFIG", "SET", name, former->second);
  const absl::StatusOr<RespValue> done = co_await link_->CallOk(std::move(set), patience_);
  if (done.ok()) former_.erase(name);
  co_return done.status();
}

}  // namespace cairn::adapter::redis
