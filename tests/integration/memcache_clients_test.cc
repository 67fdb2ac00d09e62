// Clients of memcached, as they come, against agents: at the primary, through a standby, and
// written at one and read at the other.
//
// Not here: memjs, and the other half of memccapable, which know the binary protocol only; agents
// refuse that (docs/agent-memcached.md).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/integration/memcache_world.h"
#include "tests/integration/npm_modules.h"

namespace cairn::integration {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kClients[] = CAIRN_CLIENTS_DIR;

// A program, and where its client writes and reads.
using Command = std::function<Process::Command(
    const std::string& write_at, const std::string& read_at, const std::string& name)>;

struct Library {
  const char* name;
  bool (*is_here)();
  Command command;
  const char* says;  // Where all went well; a regular expression.
};

void PrintTo(const Library& library, std::ostream* out) { *out << library.name; }

bool Has(const std::string& command) { return !FirstLineOf(command).empty(); }
std::string PortOf(const std::string& address) { return address.substr(address.rfind(':') + 1); }

bool HasPymemcache() {
  return Has("/usr/bin/python3 -c 'import pymemcache; print(1)' 2>/dev/null");
}
bool HasTools() { return Has("command -v memccapable") && Has("command -v memcslap"); }
const std::string& NpmMemcached() {
  static const std::string modules = NpmModules("memcached@2.2.2");
  return modules;
}
bool HasNpmMemcached() { return !NpmMemcached().empty(); }

const Library kLibraries[] = {
    {"pymemcache", &HasPymemcache,
     [](const std::string& write_at, const std::string& read_at, const std::string& name) {
       return Process::Command{
           .argv = {"/usr/bin/python3", std::string(kClients) + "/pymemcache_client.py", name,
                    write_at, read_at},
           .environment = {}};
     },
     "passed [1-9]"},
    {"npm_memcached", &HasNpmMemcached,
     [](const std::string& write_at, const std::string& read_at, const std::string& name) {
       return Process::Command{
           .argv = {"/usr/bin/env", "node", std::string(kClients) + "/memcached_client.js", name,
                    write_at, read_at},
           .environment = {"NODE_PATH=" + NpmMemcached()}};
     },
     "passed [1-9]"},
    {"memccapable", &HasTools,
     [](const std::string& write_at, const std::string&, const std::string&) {
       return Process::Command{
           .argv = {"/usr/bin/memccapable", "-a", "-h", "127.0.0.1", "-p", PortOf(write_at)},
           .environment = {}};
     },
     "All tests passed"},
    {"memcslap", &HasTools,
     [](const std::string& write_at, const std::string&, const std::string&) {
       return Process::Command{
           .argv = {"/usr/bin/memcslap", "--servers=" + write_at, "--concurrency=4",
                    "--execute-number=100", "--test=get", "--initial-load=100"},
           .environment = {}};
     },
     "get +400 keys"},
};

class MemcacheClientsTest : public ::testing::TestWithParam<Library> {
 protected:
  void SetUp() override {
    if (!GetParam().is_here()) GTEST_SKIP() << "the library cannot be had here";
    world_.StartAllAgents();
    ASSERT_TRUE(world_.AwaitAllServe()) << world_.Output(0);
    primary_ = *world_.AwaitPrimary();
  }

  void Try(const std::string& name, size_t writes, size_t reads) {
    SCOPED_TRACE(name);
    const std::string output = world_.File(name + ".log");
    Process::Command command =
        GetParam().command(world_.Address(writes), world_.Address(reads), name);
    command.output = output;
    Process client;
    client.Start(std::move(command));
    EXPECT_EQ(client.AwaitExit(), std::optional<int>(0)) << ReadWholeFile(output);
    EXPECT_THAT(ReadWholeFile(output), ContainsRegex(GetParam().says));
    EXPECT_THAT(ReadWholeFile(output), Not(HasSubstr("FAIL")));
  }

  MemcacheWorld world_{{.agents = 2}};
  size_t primary_ = 0;
};

TEST_P(MemcacheClientsTest, FindsAMemcachedAtEachAgent) {
  const size_t standby = 1 - primary_;
  Try("primary", primary_, primary_);
  Try("standby", standby, standby);
  Try("through", standby, primary_);
  Try("across", primary_, standby);
}

INSTANTIATE_TEST_SUITE_P(Libraries, MemcacheClientsTest, ::testing::ValuesIn(kLibraries),
                         [](const auto& chosen) { return std::string(chosen.param.name); });

}  // namespace
}  // namespace cairn::integration
