#include "cli/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "base/check.h"
#include "cli/help.h"
#include "cli/version.h"

namespace cairn::cli {
namespace {

// "cairn log create" for the subcommand `create`.
std::string PathOf(const CLI::App& app) {
  return app.get_parent() == nullptr ? "cairn" : PathOf(*app.get_parent()) + " " + app.get_name();
}

std::vector<std::string> NamesOf(std::span<const Format> formats) {
  std::vector<std::string> names;
  for (const Format format : formats) names.emplace_back(FormatName(format));
  return names;
}

// CLI11 asks for a subcommand even where a word that is none was given: that word is the news.
std::string Describe(const CLI::ParseError& error, const CLI::App& reached) {
  const std::vector<std::string> unknown = reached.remaining();
  if (unknown.empty() || reached.get_subcommands({}).empty()) return error.what();
  const std::string& word = unknown.front();
  return fmt::format("there is no {} '{}'", word.starts_with('-') ? "option" : "command", word);
}

// "text|json", for help and completion.
std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : "|") + name;
  return text;
}

}  // namespace

CommandLine::CommandLine() : app_("Append to, read and look after the logs of a Cairn cluster.") {
  app_.name("cairn");
  app_.require_subcommand(1);
  app_.set_help_flag("-h,--help", "Show this help and exit");
  app_.set_version_flag("-V,--version", std::string("cairn ") + kVersion,
                        "Show the version and exit");
  AddGlobalOptions(app_);
  for (const CommandFamily& family : Families()) AddFamily(family);
  app_.formatter(std::make_shared<ManFormatter>());
}

void CommandLine::AddFamily(const CommandFamily& family) {
  CLI::App* parent = &app_;
  std::istringstream words{std::string(family.name)};
  for (std::string word; words >> word;) {
    parent = &AddFamilyApp(*parent, word, std::string(family.summary));
  }
  for (const CommandSpec& spec : family.commands) AddCommand(*parent, spec);
}

CLI::App& CommandLine::AddFamilyApp(CLI::App& parent, const std::string& name,
                                    const std::string& summary) {
  for (CLI::App* known : parent.get_subcommands({})) {
    if (known->get_name() == name) return *known;
  }
  CLI::App& app = *parent.add_subcommand(name, summary);
  app.require_subcommand(1);
  app.set_help_flag("-h,--help", "Show this help and exit");
  app.formatter(std::make_shared<ManFormatter>());
  return app;
}

void CommandLine::AddCommand(CLI::App& parent, const CommandSpec& spec) {
  CLI::App& app = *parent.add_subcommand(std::string(spec.name), std::string(spec.summary));
  app.set_help_flag("-h,--help", "Show this help and exit");
  auto leaf = std::make_unique<Leaf>();
  leaf->app = &app;
  leaf->run = spec.declare(app);
  leaf->format = FormatName(spec.formats.front());
  const std::vector<std::string> formats = NamesOf(spec.formats);
  app.add_option("-o,--output", leaf->format, "Output format")
      ->check(CLI::IsMember(formats).description(""))
      ->type_name(Joined(formats))
      ->capture_default_str();
  AddGlobalOptions(app);
  app.formatter(std::make_shared<ManFormatter>(spec));
  leaves_.push_back(std::move(leaf));
}

// On the root and on each command, since either order is natural to type. (CLI11's
// "fallthrough" would also take a log named like a command for that command.)
void CommandLine::AddGlobalOptions(CLI::App& app) {
  const auto add = [&app](const char* name, std::string& target, const char* type,
                          const char* help) {
    app.add_option(name, target, help)->type_name(type)->group(kGlobalGroup);
  };
  add("--endpoints", global_.endpoints, "HOST:PORT,…",
      "Some members of the cluster (default: CAIRN_ENDPOINTS, or 127.0.0.1:7400)");
  AddDuration(app, "--timeout", global_.timeout_ms,
              "Give a call up after this time, retries included (default: 10s)")
      ->group(kGlobalGroup);
  add("--ca-file", global_.ca_file, "FILE",
      "Check servers against these authorities; turns TLS on");
  add("--certificate-file", global_.certificate_file, "FILE", "This client's certificate");
  add("--key-file", global_.key_file, "FILE", "The certificate's private key");
  add("--server-name", global_.server_name, "NAME", "Name to expect in the servers' certificates");
  add("--token-file", global_.token_file, "FILE", "File that holds the bearer token");
}

std::variant<ParsedCommand, Answer> CommandLine::Parse(std::vector<std::string> args) {
  if (args.empty()) return Answer{.exit_code = ExitCode::kUsage, .err = app_.help()};
  std::reverse(args.begin(), args.end());  // As CLI11 wants it.
  try {
    app_.parse(args);
  } catch (const CLI::CallForHelp&) {
    return Answer{.out = Deepest().help()};
  } catch (const CLI::CallForVersion&) {
    return Answer{.out = app_.version() + "\n"};
  } catch (const CLI::ParseError& error) {
    return Answer{.exit_code = ExitCode::kUsage,
                  .err = fmt::format("cairn: {}; see `{} --help`.\n", Describe(error, Deepest()),
                                     PathOf(Deepest()))};
  }
  const CLI::App& reached = Deepest();
  for (const auto& leaf : leaves_) {
    if (leaf->app == &reached) {
      return ParsedCommand{leaf->run, global_, FormatFromName(leaf->format)};
    }
  }
  CHECK_UNREACHABLE();  // require_subcommand() lets nothing else through.
}

const CLI::App& CommandLine::Deepest() const {
  const CLI::App* app = &app_;
  while (true) {
    const auto parsed = app->get_subcommands();
    if (parsed.empty()) return *app;
    app = parsed.back();
  }
}

}  // namespace cairn::cli
