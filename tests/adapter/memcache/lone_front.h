// LoneFront: the agent's rules for one client over one engine, with nothing around them: parser,
// decision, engine, reply; the log is a map into which effects are folded.
//
// What it answers and what memcached answers to the same bytes must be the same: the test of all
// that is in adapter/memcache/ and needs no thread.
//
// Threads: one.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "adapter/memcache/effects.h"
#include "adapter/memcache/request_parser.h"
#include "tests/adapter/memcache/memcached.h"

namespace cairn::adapter::memcache {

class LoneFront {
 public:
  LoneFront(Memcached* engine, const CasTokens& tokens);

  // What the client gets for the bytes, which may come in any pieces.
  std::string Feed(std::string_view bytes);
  [[nodiscard]] bool closed() const { return closed_; }

  // What the log says there is. Touched items that have expired since are still there.
  [[nodiscard]] const std::map<std::string, StoreEffect>& items() const { return items_; }
  // The engine's own connection, for a look at its items.
  [[nodiscard]] RawConnection* engine() { return engine_.get(); }

 private:
  std::string Serve(const Request& request);
  std::string Pass(const Request& request);
  std::string Change(const Request& request);
  std::optional<EngineItem> Ask(const Request& request, Facts facts);
  std::string Command(const EngineCommand& command);
  void Fold(const Effect& effect);

  const std::unique_ptr<RawConnection> engine_;
  DecisionRules rules_;
  RequestParser parser_;
  std::string input_;
  bool closed_ = false;
  std::map<std::string, StoreEffect> items_;
};

}  // namespace cairn::adapter::memcache
