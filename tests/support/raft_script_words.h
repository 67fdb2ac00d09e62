// The words of a Raft script: a command taken apart, and how states, entries and writes are
// written (tests/support/raft_script.h).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "consensus/raft_core.h"

namespace cairn::consensus {

inline std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

// One command: its words, and its options by name.
class Command {
 public:
  explicit Command(const std::string& line) {
    for (const std::string& word : Split(line, ' ')) {
      const size_t equals = word.find('=');
      if (equals == std::string::npos) {
        words_.push_back(word);
      } else {
        options_[word.substr(0, equals)] = word.substr(equals + 1);
      }
    }
  }

  [[nodiscard]] const std::string& name() const { return words_.at(0); }
  [[nodiscard]] size_t size() const { return words_.size() - 1; }
  [[nodiscard]] const std::string& word(size_t i) const { return words_.at(i + 1); }
  [[nodiscard]] uint64_t number(size_t i) const { return std::stoull(word(i)); }
  [[nodiscard]] NodeId node(size_t i) const { return NodeId(number(i)); }
  [[nodiscard]] uint64_t number_or(size_t i, uint64_t otherwise) const {
    return i < size() ? number(i) : otherwise;
  }
  [[nodiscard]] bool has_word(const std::string& word) const {
    return std::find(words_.begin(), words_.end(), word) != words_.end();
  }
  [[nodiscard]] std::string option(const std::string& name, const std::string& otherwise) const {
    const auto found = options_.find(name);
    return found == options_.end() ? otherwise : found->second;
  }
  [[nodiscard]] uint64_t option(const std::string& name, uint64_t otherwise) const {
    return std::stoull(option(name, std::to_string(otherwise)));
  }
  [[nodiscard]] std::vector<NodeId> nodes(const std::string& name) const {
    std::vector<NodeId> ids;
    for (const std::string& id : Split(option(name, ""), ',')) ids.emplace_back(std::stoull(id));
    return ids;
  }
  void DropFirstWord() { words_.erase(words_.begin()); }

 private:
  std::vector<std::string> words_;
  std::map<std::string, std::string> options_;
};

inline const char* Name(Role role) {
  switch (role) {
    case Role::kFollower:
      return "follower";
    case Role::kPreCandidate:
      return "pre-candidate";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
  }
  CHECK_UNREACHABLE();
}

inline const char* Name(Standing standing) {
  switch (standing) {
    case Standing::kSound:
      return "sound";
    case Standing::kAmbiguous:
      return "ambiguous";
    case Standing::kLost:
      return "lost";
  }
  CHECK_UNREACHABLE();
}

inline const char* Name(Progress::State state) {
  switch (state) {
    case Progress::State::kProbe:
      return "probe";
    case Progress::State::kReplicate:
      return "replicate";
    case Progress::State::kSnapshot:
      return "snapshot";
    case Progress::State::kFetching:
      return "fetching";
  }
  CHECK_UNREACHABLE();
}

inline const char* Name(ProposeResult result) {
  switch (result) {
    case ProposeResult::kAccepted:
      return "accepted";
    case ProposeResult::kNotLeader:
      return "refused: not the leader";
    case ProposeResult::kTransferring:
      return "refused: transferring";
    case ProposeResult::kTooMuchUncommitted:
      return "refused: too much is uncommitted";
  }
  CHECK_UNREACHABLE();
}

inline std::string Describe(const std::vector<Entry>& entries) {
  std::string text;
  for (const Entry& entry : entries) {
    if (!text.empty()) text += ',';
    text += ToString(Position{entry.term, entry.index});
    if (entry.kind == EntryKind::kNoop) text += " noop";
    if (entry.kind == EntryKind::kConfig) {
      text += " config " + ToString(DecodeMembership(entry.payload.view()).value());
    }
  }
  return text;
}

inline std::string Describe(const Write& write) {
  std::string text = fmt::format("write {}: term={} vote={}", write.id, write.hard_state->term,
                                 write.hard_state->vote);
  if (write.install) text += " install " + ToString(write.install->position);
  if (!write.entries.empty()) text += " " + Describe(write.entries);
  return text;
}

}  // namespace cairn::consensus
