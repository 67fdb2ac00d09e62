// RecordSplitter: cuts a stream of bytes into the records that `append` sends.
//
// Bytes arrive in pieces of any size; the records do not depend on where the
// pieces end (tests/cli/record_splitter_test.cc splits at every byte).
//
// Framings:
//   lines            a record ends at '\n', which is not part of it; a last line
//                    without '\n' is a record too
//   length-prefixed  a 4-byte big-endian length, then that many bytes
//   chunks           every N bytes; the last record may be shorter
//
// Threads: not safe. Bounds: holds at most one record of `max_record_bytes`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace cairn::cli {

enum class Framing { kLines, kLengthPrefixed, kChunks };

struct SplitterOptions {
  Framing framing = Framing::kLines;
  // Only for kChunks; > 0.
  uint64_t chunk_bytes = 0;
  uint64_t max_record_bytes = uint64_t{8} << 20;
};

class RecordSplitter {
 public:
  // Takes one record. A status other than OK stops the splitting and is returned.
  using Sink = std::function<absl::Status(std::string_view record)>;

  explicit RecordSplitter(SplitterOptions options);

  // Hands each record completed by `bytes` to `sink`, in order. A view is valid during the
  // call only. Errors: kInvalidArgument for a record above the limit, with its offset in
  // the stream; whatever the sink returned. After an error the splitter is spent.
  absl::Status Feed(std::string_view bytes, const Sink& sink);

  // The stream has ended: hands out what is left. Errors: kInvalidArgument when it ended
  // inside a length-prefixed record; whatever the sink returned.
  absl::Status Finish(const Sink& sink);

 private:
  absl::Status FeedLines(std::string_view bytes, const Sink& sink);
  absl::Status FeedSized(std::string_view bytes, const Sink& sink);
  // Takes up to `want` bytes in total into pending_, from the front of `bytes`.
  void Collect(std::string_view& bytes, uint64_t want);
  absl::Status Emit(std::string_view record, const Sink& sink);
  [[nodiscard]] absl::Status TooLarge(uint64_t at_least_bytes) const;

  const SplitterOptions options_;
  std::string pending_;          // The begun record, or its length prefix.
  bool in_header_ = false;       // pending_ holds (part of) a length prefix.
  uint64_t wanted_bytes_ = 0;    // Size of the begun record, for the sized framings.
  uint64_t consumed_bytes_ = 0;  // Of the stream, up to the begun record.
};

// Puts `record` behind its 4-byte length, the framing that kLengthPrefixed reads.
void AppendLengthPrefixed(std::string& out, std::string_view record);

}  // namespace cairn::cli
