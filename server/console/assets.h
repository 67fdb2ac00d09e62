// Assets: the files of server/console/page, as they are built into the program by
// cmake/EmbedFiles.cmake. Constant; any thread.
#pragma once

#include <string_view>

#include "base/http_server.h"

namespace cairn::console {

struct Asset {
  std::string_view path;  // "/app.mjs"
  std::string_view type;
  std::string_view bytes;
  std::string_view etag;  // Quoted: a hash of the bytes.
};

// Null: there is no such file. "/" is the page itself.
const Asset* FindAsset(std::string_view path);

// The file, or 304 to a browser that has it.
HttpResponse Serve(const Asset& asset, const HttpRequest& request);

}  // namespace cairn::console
