// `cairn completion bash`: a completion script, made from the same tree as the parser.
//
// The script walks the words typed so far down the tree of commands, then offers the
// subcommands or the options of where it arrived. Values with a fixed set (-o) are offered;
// others fall back to file names.
#include <fmt/format.h>

#include "cli/command_line.h"
#include "cli/tool_commands.h"

namespace cairn::cli {
namespace {

// "log_create" for `cairn log create`, "" for the root.
std::string KeyOf(const CLI::App& app) {
  if (app.get_parent() == nullptr) return "";
  const std::string parent = KeyOf(*app.get_parent());
  return parent.empty() ? app.get_name() : parent + " " + app.get_name();
}

std::string OptionNames(const CLI::App& app) {
  std::string names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names += " --" + name;
    for (const std::string& name : option->get_snames()) names += " -" + name;
  }
  return names.empty() ? names : names.substr(1);
}

std::string SubcommandNames(const CLI::App& app) {
  std::string names;
  for (const CLI::App* sub : app.get_subcommands({})) names += " " + sub->get_name();
  return names.empty() ? names : names.substr(1);
}

// One `case` arm for each command: what may follow it.
void AddArms(const CLI::App& app, std::string& arms) {
  arms += fmt::format("    '{}') commands='{}' options='{}' ;;\n", KeyOf(app), SubcommandNames(app),
                      OptionNames(app));
  for (const CLI::App* sub : app.get_subcommands({})) AddArms(*sub, arms);
}

// Values of -o, which differ from command to command.
std::string FormatArms() {
  std::string arms;
  for (const CommandFamily& family : Families()) {
    for (const CommandSpec& spec : family.commands) {
      std::string names;
      for (const Format format : spec.formats) {
        names += (names.empty() ? "" : " ") + std::string(FormatName(format));
      }
      arms += fmt::format("    '{}{}{}') formats='{}' ;;\n", family.name,
                          family.name.empty() ? "" : " ", spec.name, names);
    }
  }
  return arms;
}

constexpr std::string_view kBody =
    R"(  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
  local key='' word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    _cairn_follow "$key"
    [[ " $commands " == *" $word "* ]] && key="${key:+$key }$word"
  done
  _cairn_follow "$key"
  if [[ $previous == -o || $previous == --output ]]; then
    _cairn_formats "$key"
    COMPREPLY=($(compgen -W "$formats" -- "$current"))
  elif [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  elif [[ -n $commands ]]; then
    COMPREPLY=($(compgen -W "$commands" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
)";

}  // namespace

std::string BashCompletion(const CLI::App& root) {
  std::string arms;
  AddArms(root, arms);
  std::string script = "# bash completion of cairn; made by `cairn completion bash`\n";
  script += "_cairn_follow() {\n  case \"$1\" in\n" + arms + "  esac\n}\n";
  script += "_cairn_formats() {\n  case \"$1\" in\n" + FormatArms() + "  esac\n}\n";
  script += "_cairn() {\n  local commands='' options='' formats=''\n";
  script += std::string(kBody) + "}\n";
  return script + "complete -F _cairn cairn\n";
}

Runner DeclareCompletion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  app.add_option("SHELL", *shell, "bash")
      ->required()
      ->type_name("")
      ->check(CLI::IsMember({"bash"}));
  return [shell](Session& session) -> absl::StatusOr<ExitCode> {
    const CommandLine tree;
    session.out().Write(BashCompletion(tree.app()));
    return ExitCode::kOk;
  };
}

}  // namespace cairn::cli
