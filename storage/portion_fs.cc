#include "storage/portion_fs.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace cairn::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// Offsets and lengths of all portions but the last are multiples of it, as O_DIRECT asks, when
// those of the whole are.
static_assert(kPortionBytes % 4096 == 0);

class PortionedReads : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  using FSRandomAccessFileOwnerWrapper::FSRandomAccessFileOwnerWrapper;

  IOStatus Read(uint64_t offset, size_t bytes, const IOOptions& io, Slice* result, char* scratch,
                IODebugContext* debug) const override {
    size_t done = 0;
    Slice portion;
    do {
      const size_t wanted = std::min(bytes - done, kPortionBytes);
      IOStatus status = target()->Read(offset + done, wanted, io, &portion, scratch + done, debug);
      if (!status.ok()) return status;
      if (portion.data() != scratch + done && !portion.empty()) {
        std::memmove(scratch + done, portion.data(), portion.size());
      }
      done += portion.size();
      if (portion.size() < wanted) break;  // The file's end.
    } while (done < bytes);
    *result = Slice(scratch, done);
    return IOStatus::OK();
  }

  // One by one. (Whoever reads many places at once would have the disk do so.)
  IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t count, const IOOptions& io,
                     IODebugContext* debug) override {
    for (rocksdb::FSReadRequest* one = requests; one != requests + count; ++one) {
      one->status = Read(one->offset, one->len, io, &one->result, one->scratch, debug);
    }
    return IOStatus::OK();
  }
};

}  // namespace

IOStatus PortionFs::NewRandomAccessFile(const std::string& path,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                        IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSRandomAccessFile> file;
  IOStatus status = target()->NewRandomAccessFile(path, options, &file, debug);
  if (!status.ok()) return status;
  *result = std::make_unique<PortionedReads>(std::move(file));
  return status;
}

}  // namespace cairn::storage
