#include "tests/history/history_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "base/check.h"
#include "base/strings.h"
#include "cairn/v1/log.pb.h"
#include "storage/entry_codec.h"

namespace cairn::history {
namespace {

using Kind = CommittedRecord::Kind;

template <class E>
struct Word {
  std::string_view word;
  E value;
};

constexpr std::array<Word<Call>, 6> kCalls = {{{"append", Call::kAppend},
                                               {"read", Call::kRead},
                                               {"acquire", Call::kAcquire},
                                               {"renew", Call::kRenew},
                                               {"release", Call::kRelease},
                                               {"transfer", Call::kTransfer}}};
constexpr std::array<Word<Outcome>, 7> kOutcomes = {
    {{"ok", Outcome::kDone},
     {"unknown", Outcome::kUnknown},
     {"refused", Outcome::kRefused},
     {"CONDITION_FAILED", Outcome::kConditionFailed},
     {"LEASE_HELD", Outcome::kLeaseHeld},
     {"LEASE_LOST", Outcome::kLeaseLost},
     {"FENCE_REQUIRED", Outcome::kFenceRequired}}};
constexpr std::array<Word<Kind>, 6> kKinds = {{{"data", Kind::kData},
                                               {"acquired", Kind::kAcquired},
                                               {"released", Kind::kReleased},
                                               {"transferred", Kind::kTransferred},
                                               {"expired", Kind::kExpired},
                                               {"other", Kind::kOther}}};

template <class Table, class E>
std::string_view NameOf(const Table& table, E value) {
  for (const auto& entry : table) {
    if (entry.value == value) return entry.word;
  }
  CHECK_UNREACHABLE();
}

bool IsBare(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-'; }

std::string Quoted(std::string_view text) {
  bool bare = !text.empty();
  for (const char c : text) bare = bare && IsBare(c);
  if (bare) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (c >= ' ' && c <= '~') {
      quoted += c;
    } else {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return quoted + '"';
}

std::string FormatLease(const LeaseSeen& lease) {
  if (lease.epoch == Epoch() && lease.holder.empty()) return "free";
  return fmt::format("{}@{}", lease.holder.empty() ? "" : Quoted(lease.holder), lease.epoch);
}

// Reads one line from left to right. The first error sticks and everything after it reads as
// nothing, so that callers look once, at the end.
class Line {
 public:
  Line(std::string_view rest, GroupId log_id) : rest_(rest), log_id_(log_id) { SkipBlanks(); }

  [[nodiscard]] bool AtEnd() const { return rest_.empty() || failed(); }
  [[nodiscard]] bool failed() const { return !error_.empty(); }
  [[nodiscard]] const std::string& error() const { return error_; }

  void Fail(std::string_view expected) {
    if (failed()) return;
    error_ = fmt::format("expected {} at '{}'", expected, rest_.substr(0, 40));
    rest_ = {};
  }

  // Takes `symbol` and the blanks behind it if it stands here.
  bool Take(std::string_view symbol) {
    if (failed() || !rest_.starts_with(symbol)) return false;
    rest_.remove_prefix(symbol.size());
    SkipBlanks();
    return true;
  }
  void Expect(std::string_view symbol) {
    if (!Take(symbol)) Fail(fmt::format("'{}'", symbol));
  }

  // A word of letters, digits, '_' and '-'; empty if none stands here.
  std::string_view BareWord() {
    size_t size = 0;
    while (size < rest_.size() && IsBare(rest_[size])) ++size;
    const std::string_view word = rest_.substr(0, size);
    rest_.remove_prefix(size);
    SkipBlanks();
    return word;
  }

  template <class Table>
  auto OneOf(const Table& table, std::string_view what) {
    const std::string_view word = BareWord();
    for (const auto& entry : table) {
      if (entry.word == word) return entry.value;
    }
    Fail(what);
    return table.front().value;
  }

  void set_log_id(GroupId log_id) { log_id_ = log_id; }

  template <class Int>
  Int Number(int base = 10) {
    Int value = 0;
    const char* const end = rest_.data() + rest_.size();
    const auto result = std::from_chars(rest_.data(), end, value, base);
    if (result.ec != std::errc()) {
      Fail("a number");
      return 0;
    }
    rest_.remove_prefix(static_cast<size_t>(result.ptr - rest_.data()));
    SkipBlanks();
    return value;
  }

  // Whether a payload or a holder stands here, rather than "->", a "key=" or the end.
  [[nodiscard]] bool AtText() const {
    if (AtEnd() || rest_.starts_with("->")) return false;
    if (rest_.front() == '"') return true;
    size_t size = 0;
    while (size < rest_.size() && IsBare(rest_[size])) ++size;
    return size > 0 && (size == rest_.size() || rest_[size] != '=');
  }

  std::string Text() {
    if (!rest_.starts_with('"')) {
      const std::string_view word = BareWord();
      if (word.empty()) Fail("a word or a quoted text");
      return std::string(word);
    }
    rest_.remove_prefix(1);
    std::string text;
    while (!rest_.empty() && rest_.front() != '"') text += QuotedChar();
    Expect("\"");
    return text;
  }

  uint64_t Chain() {
    if (!Take("[")) return Number<uint64_t>(16);
    std::vector<std::string> payloads;
    while (AtText()) payloads.push_back(Text());
    Expect("]");
    return ChainOf(log_id_, payloads);
  }

  LeaseSeen Lease() {
    LeaseSeen lease;
    if (AtText()) lease.holder = Text();
    if (Take("@")) {
      lease.epoch = Epoch(Number<uint64_t>());
      return lease;
    }
    if (lease.holder != "free") Fail("'@'");
    return {};
  }

 private:
  void SkipBlanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t'))
      rest_.remove_prefix(1);
  }

  char QuotedChar() {
    char c = rest_.front();
    rest_.remove_prefix(1);
    if (c != '\\') return c;
    if (rest_.empty()) {
      Fail("a character behind '\\'");
      return c;
    }
    c = rest_.front();
    rest_.remove_prefix(1);
    if (c != 'x') return c;
    unsigned value = 0;
    const auto result =
        std::from_chars(rest_.data(), rest_.data() + std::min<size_t>(2, rest_.size()), value, 16);
    if (result.ptr != rest_.data() + 2) Fail("two hexadecimal digits");
    rest_.remove_prefix(std::min<size_t>(2, rest_.size()));
    return static_cast<char>(value);
  }

  std::string_view rest_;
  GroupId log_id_;
  std::string error_;
};

// The part of an operation before "->".
void ParseRequest(Line& line, Operation& op) {
  op.begin_us = line.Number<int64_t>();
  line.Expect("..");
  if (!line.Take("c")) {
    op.end_us = line.Number<int64_t>();
    line.Expect("c");
  }
  op.client = line.Number<uint64_t>();
  op.call = line.OneOf(kCalls, "a call");
  if (op.call == Call::kRenew || op.call == Call::kRelease || op.call == Call::kTransfer) {
    op.epoch = Epoch(line.Number<uint64_t>());
  }
  if (op.call == Call::kAcquire || op.call == Call::kTransfer) op.holder = line.Text();
  if (op.call == Call::kAppend) {
    while (line.AtText()) op.payloads.push_back(line.Text());
    if (op.payloads.empty()) line.Fail("a payload");
  }
  while (!line.AtEnd() && !line.Take("->")) {
    if (line.Take("if_last_seq=")) {
      op.if_last_seq = Seq(line.Number<uint64_t>());
    } else if (op.call == Call::kAppend && line.Take("epoch=")) {
      op.epoch = Epoch(line.Number<uint64_t>());
    } else {
      line.Fail("if_last_seq=, epoch= or ->");
    }
  }
}

void ParseAnswer(Line& line, Operation& op) {
  op.outcome = line.OneOf(kOutcomes, "an outcome");
  while (!line.AtEnd()) {
    if (line.Take("last_seq=")) {
      op.last_seq = Seq(line.Number<uint64_t>());
    } else if (line.Take("first_seq=")) {
      op.first_seq = Seq(line.Number<uint64_t>());
    } else if (line.Take("epoch=")) {
      op.granted = Epoch(line.Number<uint64_t>());
    } else if (line.Take("chain=")) {
      op.chain = line.Chain();
    } else if (line.Take("lease=")) {
      op.lease = line.Lease();
    } else {
      op.first_seq = Seq(line.Number<uint64_t>());
      line.Expect("..");
      op.last_seq = Seq(line.Number<uint64_t>());
    }
  }
}

void ParseHeader(Line& line, History& history) {
  while (!line.AtEnd()) {
    if (line.Take("fenced")) {
      history.fenced = true;
    } else if (line.Take("last_seq=")) {
      history.initial_last_seq = Seq(line.Number<uint64_t>());
    } else if (line.Take("chain=")) {
      history.initial_chain = line.Chain();
    } else if (line.Take("lease=")) {
      history.initial_lease = line.Lease();
    } else {
      line.Fail("fenced, last_seq=, chain= or lease=");
    }
  }
}

// A record made by hand may leave its chain out: that of data follows from the one before, any
// other will do for what the service writes by itself.
uint64_t ChainBehind(const History& history, const CommittedRecord& record) {
  const std::vector<CommittedRecord>& before = history.committed->records;
  const uint64_t chain = before.empty()
                             ? history.initial_chain.value_or(storage::ChainSeed(history.log_id))
                             : before.back().chain;
  cairn::v1::Record bytes;
  bytes.set_payload(record.payload);
  if (record.kind != Kind::kData) bytes.set_payload(std::string(NameOf(kKinds, record.kind)));
  return storage::ChainNext(chain, bytes.SerializeAsString());
}

CommittedRecord ParseRecord(Line& line, const History& history) {
  CommittedRecord record;
  record.seq = Seq(line.Number<uint64_t>());
  record.kind = line.OneOf(kKinds, "a kind of record");
  if (record.kind == Kind::kData) {
    record.payload = line.Text();
  } else if (line.AtText()) {
    record.holder = line.Text();
  }
  if (line.Take("epoch=")) record.ended_epoch = Epoch(line.Number<uint64_t>());
  record.chain = line.Take("chain=") ? line.Chain() : ChainBehind(history, record);
  return record;
}

Operation ParseOperation(Line& line) {
  Operation op;
  ParseRequest(line, op);
  ParseAnswer(line, op);
  return op;
}

void ParseLine(Line& line, History& history) {
  if (line.Take("log ")) {
    history.log_id = GroupId(line.Number<uint64_t>());
    line.set_log_id(history.log_id);
    ParseHeader(line, history);
  } else if (line.Take("committed from ")) {
    history.committed.emplace().first_seq = Seq(line.Number<uint64_t>());
  } else if (history.committed) {
    history.committed->records.push_back(ParseRecord(line, history));
  } else {
    history.operations.push_back(ParseOperation(line));
  }
  if (!line.AtEnd()) line.Fail("the end of the line");
}

// Without a comment, which begins with a '#' outside of quotes, and without blanks at the end.
std::string_view Significant(std::string_view line) {
  bool quoted = false;
  size_t end = line.size();
  for (size_t i = 0; i < end; ++i) {
    if (quoted && line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == '#' && !quoted) {
      end = i;
    }
  }
  while (end > 0 && std::isspace(static_cast<unsigned char>(line[end - 1]))) --end;
  return line.substr(0, end);
}

std::string FormatRequest(const Operation& op) {
  std::string text = std::string(NameOf(kCalls, op.call));
  const bool subject =
      op.call == Call::kRenew || op.call == Call::kRelease || op.call == Call::kTransfer;
  if (subject) text += fmt::format(" {}", op.epoch.value_or(Epoch()));
  if (op.call == Call::kAcquire || op.call == Call::kTransfer) text += ' ' + Quoted(op.holder);
  for (const std::string& payload : op.payloads) text += ' ' + Quoted(payload);
  if (op.if_last_seq) text += fmt::format(" if_last_seq={}", *op.if_last_seq);
  if (op.epoch && !subject) text += fmt::format(" epoch={}", *op.epoch);
  return text;
}

std::string FormatAnswer(const Operation& op) {
  std::string text = std::string(NameOf(kOutcomes, op.outcome));
  if (op.first_seq && op.last_seq) {
    text += fmt::format(" {}..{}", *op.first_seq, *op.last_seq);
  } else if (op.first_seq) {
    text += fmt::format(" first_seq={}", *op.first_seq);
  } else if (op.last_seq) {
    text += fmt::format(" last_seq={}", *op.last_seq);
  }
  if (op.granted) text += fmt::format(" epoch={}", *op.granted);
  if (op.chain) text += fmt::format(" chain={:016x}", *op.chain);
  if (op.lease) text += " lease=" + FormatLease(*op.lease);
  return text;
}

std::string FormatHeader(const History& history) {
  std::string text = fmt::format("log {}", history.log_id);
  if (history.fenced) text += " fenced";
  if (history.initial_last_seq != Seq()) {
    text += fmt::format(" last_seq={}", history.initial_last_seq);
  }
  if (history.initial_chain) text += fmt::format(" chain={:016x}", *history.initial_chain);
  if (history.initial_lease != LeaseSeen()) text += " lease=" + FormatLease(history.initial_lease);
  return text;
}

}  // namespace

absl::StatusOr<History> ParseHistory(std::string_view text) {
  History history;
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view content = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), content.size() + 1));
    Line line(Significant(content), history.log_id);
    if (line.AtEnd()) continue;
    ParseLine(line, history);
    if (line.failed()) {
      return absl::InvalidArgumentError(ToAbsl(fmt::format("line {}: {}", number, line.error())));
    }
  }
  return history;
}

std::string FormatHistory(const History& history) {
  std::string text = FormatHeader(history) + '\n';
  for (const Operation& op : history.operations) text += FormatOperation(op) + '\n';
  if (!history.committed) return text;
  text += fmt::format("committed from {}\n", history.committed->first_seq);
  for (const CommittedRecord& record : history.committed->records) {
    text += FormatRecord(record) + '\n';
  }
  return text;
}

std::string FormatOperation(const Operation& op) {
  const std::string end = op.outcome == Outcome::kUnknown ? "" : std::to_string(op.end_us);
  return fmt::format("{}..{} c{} {} -> {}", op.begin_us, end, op.client, FormatRequest(op),
                     FormatAnswer(op));
}

std::string FormatRecord(const CommittedRecord& record) {
  std::string text = fmt::format("{} {}", record.seq, NameOf(kKinds, record.kind));
  if (record.kind == Kind::kData) {
    text += ' ' + Quoted(record.payload);
  } else if (!record.holder.empty()) {
    text += ' ' + Quoted(record.holder);
  }
  if (record.ended_epoch != Epoch()) text += fmt::format(" epoch={}", record.ended_epoch);
  return text + fmt::format(" chain={:016x}", record.chain);
}

uint64_t ChainOf(GroupId log_id, const std::vector<std::string>& payloads) {
  uint64_t chain = storage::ChainSeed(log_id);
  for (const std::string& payload : payloads) {
    cairn::v1::Record record;
    record.set_payload(payload);
    chain = storage::ChainNext(chain, record.SerializeAsString());
  }
  return chain;
}

}  // namespace cairn::history
