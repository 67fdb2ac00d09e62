// The command line without a cluster: help, errors, and the completion script in a real bash.
#include "cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>

#include "cli/help.h"
#include "cli/tool_commands.h"
#include "tests/support/temp_dir.h"

namespace cairn::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::variant<ParsedCommand, Answer> Parse(const std::vector<std::string>& args) {
  CommandLine command_line;
  return command_line.Parse(args);
}

Answer AnswerTo(const std::vector<std::string>& args) {
  const auto parsed = Parse(args);
  if (const auto* answer = std::get_if<Answer>(&parsed)) return *answer;
  ADD_FAILURE() << "a command was ready to run";
  return {};
}

// Every command as words: {"log", "create"}, {"append"}, …
std::vector<std::vector<std::string>> AllCommands() {
  std::vector<std::vector<std::string>> commands;
  for (const CommandFamily& family : Families()) {
    for (const CommandSpec& spec : family.commands) {
      commands.emplace_back();
      std::istringstream words{std::string(family.name)};  // {"auth", "token"}
      for (std::string word; words >> word;) commands.back().push_back(word);
      commands.back().emplace_back(spec.name);
    }
  }
  return commands;
}

TEST(CommandLineTest, EveryCommandHasAManualPage) {
  std::set<std::vector<std::string>> seen;
  for (std::vector<std::string> words : AllCommands()) {
    SCOPED_TRACE(::testing::PrintToString(words));
    EXPECT_TRUE(seen.insert(words).second);
    words.emplace_back("--help");
    const Answer answer = AnswerTo(words);
    EXPECT_EQ(answer.exit_code, ExitCode::kOk);
    EXPECT_TRUE(answer.err.empty());
    EXPECT_THAT(answer.out, StartsWith("NAME\n       cairn "));
    for (const char* part : {"\nSYNOPSIS\n", "\nDESCRIPTION\n", "\nOPTIONS\n", "\nEXAMPLES\n",
                             "\nGLOBAL OPTIONS\n", "\nEXIT STATUS\n", "-o --output"}) {
      EXPECT_THAT(answer.out, HasSubstr(part));
    }
    EXPECT_THAT(answer.out, ::testing::Not(HasSubstr("{")));  // CLI11's own notation.
  }
  EXPECT_GE(seen.size(), 25u);
}

TEST(CommandLineTest, FamiliesAndTheRootListTheirCommands) {
  EXPECT_THAT(AnswerTo({"--help"}).out, HasSubstr("\n       lease "));
  EXPECT_THAT(AnswerTo({"log", "--help"}).out, HasSubstr("\n       describe  show"));
  EXPECT_THAT(AnswerTo({"--version"}).out, StartsWith("cairn "));
  EXPECT_EQ(AnswerTo({}).exit_code, ExitCode::kUsage);
}

TEST(CommandLineTest, WrongUsageSaysWhatIsWrongAndWhereHelpIs) {
  struct Case {
    std::vector<std::string> args;
    const char* says;
    const char* help;
  };
  const Case cases[] = {
      {{"frob"}, "no command 'frob'", "`cairn --help`"},
      {{"--frob"}, "no option '--frob'", "`cairn --help`"},
      {{"log"}, "subcommand is required", "`cairn log --help`"},
      {{"log", "frob"}, "no command 'frob'", "`cairn log --help`"},
      {{"log", "create"}, "NAME is required", "`cairn log create --help`"},
      {{"log", "create", "x", "--frob"}, "--frob", "`cairn log create --help`"},
      {{"log", "create", "x", "y"}, "y", "`cairn log create --help`"},
      {{"log", "ls", "-o", "yaml"}, "yaml not in {text,json}", "`cairn log ls --help`"},
      {{"append", "x", "--lines", "--length-prefixed"}, "excludes", "`cairn append --help`"},
      {{"append", "x", "--chunk-bytes", "0"}, "'0' is not a size above 0", "`cairn append"},
      {{"append", "x", "--lease", "primary"}, "write it as primary:17", "`cairn append"},
      {{"append", "x", "--if-last-seq", "-1"}, "--if-last-seq", "`cairn append"},
      {{"bench", "append", "--size", "12q"}, "'12q' is not a size", "`cairn bench append"},
      {{"bench", "append", "--in-flight", "0"}, "--in-flight", "`cairn bench append"},
      {{"bench", "cas", "--rate", "-5"}, "--rate", "`cairn bench cas"},
      {{"read", "x", "--timeout", "soon"}, "'soon' is not a duration", "`cairn read"},
      {{"completion", "zsh"}, "zsh", "`cairn completion"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(::testing::PrintToString(c.args));
    const Answer answer = AnswerTo(c.args);
    EXPECT_EQ(answer.exit_code, ExitCode::kUsage);
    EXPECT_TRUE(answer.out.empty());
    EXPECT_THAT(answer.err, StartsWith("cairn: "));
    EXPECT_THAT(answer.err, HasSubstr(c.says));
    EXPECT_THAT(answer.err, HasSubstr(c.help));
  }
}

TEST(CommandLineTest, GlobalOptionsStandBeforeOrBehindTheCommand) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"--endpoints", "a:1,b:2", "--timeout", "3s", "log", "ls"},
        std::vector<std::string>{"log", "ls", "--timeout", "3s", "--endpoints", "a:1,b:2"}}) {
    const auto parsed = Parse(args);
    const auto* command = std::get_if<ParsedCommand>(&parsed);
    ASSERT_NE(command, nullptr);
    EXPECT_EQ(command->global.endpoints, "a:1,b:2");
    EXPECT_EQ(command->global.timeout_ms, 3000u);
    EXPECT_EQ(command->format, Format::kText);
  }
}

TEST(CommandLineTest, ALogMayBeNamedLikeACommand) {
  for (const char* name : {"log", "append", "read", "bench"}) {
    const auto parsed = Parse({"read", name, "-o", "raw"});
    const auto* command = std::get_if<ParsedCommand>(&parsed);
    ASSERT_NE(command, nullptr) << name;
    EXPECT_EQ(command->format, Format::kRaw);
  }
}

TEST(HelpTest, WrapKeepsItsColumns) {
  EXPECT_EQ(Wrap("one two three", 2, 9), "  one two\n  three\n");
  EXPECT_EQ(Wrap("one\ntwo", 1, 80), " one\n two\n");
  EXPECT_EQ(Wrap("", 2, 9), "");
}

// What the completion script offers behind `words`, of which the last is being typed.
std::string Completed(const std::vector<std::string>& words) {
  const testing::TempDir dir;
  const std::string path = dir.path() + "/completion.bash";
  {
    std::ofstream script(path);
    const CommandLine command_line;
    script << BashCompletion(command_line.app()) << "\nCOMP_WORDS=(cairn";
    for (const std::string& word : words) script << " '" << word << "'";
    script << ")\nCOMP_CWORD=" << words.size() << "\n_cairn\necho \"${COMPREPLY[*]}\"\n";
  }
  std::FILE* const bash = popen(("bash --norc " + path + " 2>&1").c_str(), "r");
  std::string text;
  for (int c = std::fgetc(bash); c != EOF; c = std::fgetc(bash)) text += static_cast<char>(c);
  EXPECT_EQ(pclose(bash), 0);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

TEST(CompletionTest, OffersWhatMayFollow) {
  struct Case {
    std::vector<std::string> words;
    const char* want;
  };
  const Case cases[] = {
      {{"lo"}, "log"},
      {{"log", "de"}, "describe"},
      {{"bench", ""}, "append cas tail lease"},
      {{"log", "create", "--fe"}, "--fenced"},
      {{"--endpoints", "a:1", "log", "cr"}, "create"},
      {{"read", "x", "-o", "le"}, "length-prefixed"},
      {{"log", "ls", "--output", ""}, "text json"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(::testing::PrintToString(c.words));
    EXPECT_EQ(Completed(c.words), c.want);
  }
}

}  // namespace
}  // namespace cairn::cli
