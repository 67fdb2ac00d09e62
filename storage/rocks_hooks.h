// RocksHooks: what tests put under a RocksLogStore. Apart from rocks_log_store.h so that
// RocksDB's headers stay inside this folder.
#pragma once

#include <rocksdb/file_system.h>
#include <rocksdb/listener.h>

#include <memory>

namespace cairn::storage {

struct RocksHooks {
  // All of RocksDB's files, the WAL pool and the side mark go through it.
  std::shared_ptr<rocksdb::FileSystem> file_system;
  // Is told what RocksDB does. Null: nobody is.
  std::shared_ptr<rocksdb::EventListener> listener;
};

}  // namespace cairn::storage
