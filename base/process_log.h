// What our long-running processes say to people: one line an event, on stderr, as text or as one
// JSON object for collectors.
//
// Threads: to be called once, before others are made.
#pragma once

#include <string>

namespace cairn {

// Makes it spdlog's default log. `level`: trace … error; `format`: "text" or "json".
void SetUpProcessLog(const std::string& name, const std::string& level, const std::string& format);

}  // namespace cairn
