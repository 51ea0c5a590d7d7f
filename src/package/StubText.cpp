// SPDX-License-Identifier: MIT
#include "package/StubText.h"

#include "neml2/aoti/exceptions.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string_view>
#include <system_error>
#include <vector>

namespace neml2::aoti
{
namespace
{

namespace fs = std::filesystem;

constexpr std::size_t max_depth = 64;
constexpr int max_includes = 1000;
constexpr std::size_t max_size = 1'000'000; // characters of an expanded value
constexpr std::size_t max_references = 100'000;

/// One pass over the text of a file. What is a token follows the parser's lexer.
class Scan
{
public:
  Scan(const fs::path & file, std::vector<fs::path> & chain, int & includes)
      : _file(file), _chain(chain), _includes(includes), _text(read(file))
  {
  }

  void run()
  {
    if (_text.starts_with("\xef\xbb\xbf"))
      fail("the file begins with a byte-order mark; save it without");
    if (const auto zero = _text.find('\0'); zero != std::string::npos)
    {
      _at = zero;
      fail("byte 0x00 is no text");
    }
    while (_at < _text.size())
      token();
  }

private:
  static std::string read(const fs::path & file)
  {
    std::ifstream stream(file, std::ios::binary);
    std::ostringstream content;
    if (!stream || !(content << stream.rdbuf()))
      throw FatalError("cannot read " + file.string());
    return content.str();
  }

  [[noreturn]] void fail(const std::string & message) const
  {
    const auto line = 1 + std::count(_text.begin(), _text.begin() + std::ptrdiff_t(_at), '\n');
    throw FatalError(_file.string() + ":" + std::to_string(line) + ": " + message);
  }

  void token()
  {
    const std::string_view rest = std::string_view(_text).substr(_at);
    if (rest[0] == '#')
      _at += std::min(rest.find('\n'), rest.size());
    else if (rest[0] == '\'' || rest[0] == '"')
      quoted(rest);
    else if (rest[0] == '[')
      header(rest);
    else if (rest.starts_with("!include ") || rest.starts_with("!include\t"))
      include(rest);
    else if (rest[0] == '=')
      value();
    else if (is_name(rest[0]))
      name(rest);
    else
      _at++;
  }

  static bool is_name(char c)
  {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("_./<>+-*!~").find(c) != std::string_view::npos;
  }

  void quoted(std::string_view rest)
  {
    const std::string triple(3, rest[0]);
    if (const auto end = rest.starts_with(triple) ? rest.find(triple, 3) : std::string_view::npos;
        end != std::string_view::npos)
    {
      _at += end + 3;
      return;
    }
    const auto end = rest.find_first_of("'\"#", 1);
    if (end == std::string_view::npos || rest[end] != rest[0])
      fail("the quote is not closed before the next quote or '#'");
    _at += end + 1;
  }

  void header(std::string_view rest)
  {
    const auto end = rest.find_first_of("[]\n", 1);
    if (end == std::string_view::npos || rest[end] != ']')
    {
      _at++; // for the parser to complain about
      return;
    }
    const auto inner = rest.substr(1, end - 1);
    if (inner.find_first_not_of(" \t") != std::string_view::npos)
      _depths.push_back(1 + separators(inner));
    else if (!_depths.empty())
      _depths.pop_back();
    check_depth(0);
    _at += end + 1;
  }

  void name(std::string_view rest)
  {
    const auto end = std::find_if_not(rest.begin(), rest.end(), is_name) - rest.begin();
    check_depth(separators(rest.substr(0, std::size_t(end))));
    _at += std::size_t(end);
  }

  void value()
  {
    _at++;
    while (_at < _text.size() && std::isspace(static_cast<unsigned char>(_text[_at])))
      _at++;
    _at = std::min(_text.find_first_of(" \t\r\n[#$'\"\\", _at), _text.size());
  }

  void include(std::string_view rest)
  {
    auto line = rest.substr(8, rest.find('\n') == std::string_view::npos ? rest.size() : rest.find('\n') - 8);
    line = line.substr(0, line.find('#'));
    const auto first = line.find_first_not_of(" \t\r");
    const auto last = line.find_last_not_of(" \t\r");
    const auto name =
        first == std::string_view::npos ? "" : std::string(line.substr(first, last - first + 1));
    const auto path = _file.parent_path() / name;
    std::error_code trouble;
    if (!fs::is_regular_file(path, trouble))
      fail("cannot open include file '" + name + "'");
    const auto real = fs::weakly_canonical(path, trouble);
    if (std::find(_chain.begin(), _chain.end(), real) != _chain.end())
      fail("the file includes itself: '" + name + "'");
    if (++_includes > max_includes || _chain.size() >= max_depth)
      fail("'" + name + "' is included too deep, or one of more than 1000 includes");
    _chain.push_back(real);
    Scan(path, _chain, _includes).run();
    _chain.pop_back();
    _at += std::min(rest.find('\n'), rest.size());
  }

  static std::size_t separators(std::string_view path)
  {
    return std::size_t(std::count(path.begin(), path.end(), '/'));
  }

  void check_depth(std::size_t further) const
  {
    if (std::accumulate(_depths.begin(), _depths.end(), further) > max_depth)
      fail("blocks nested more than 64 deep");
  }

  const fs::path & _file;
  std::vector<fs::path> & _chain; ///< files on the way here
  int & _includes;
  std::string _text;
  std::size_t _at = 0;
  std::vector<std::size_t> _depths; ///< of the open headers
};

/// Follows the references of one value to their ends.
class Expansion
{
public:
  explicit Expansion(const nmhit::Node & field) : _field(field) { text(field); }

private:
  [[noreturn]] void fail(const std::string & message) const
  {
    throw FatalError(_field.file_location() + ": option '" + _field.fullpath() + "': " + message);
  }

  std::string text(const nmhit::Node & field)
  {
    if (std::find(_chain.begin(), _chain.end(), &field) != _chain.end())
      fail("the value refers to itself");
    if (_chain.size() > max_depth || ++_references > max_references)
      fail("references through too many others");
    _chain.push_back(&field);
    auto text = static_cast<const nmhit::Field &>(field).raw_val();
    for (std::size_t pass = 0; text.find("${") != std::string::npos; pass++)
      if (pass == max_depth || !innermost(text))
        fail("braces nested too deep, or not closed");
    _chain.pop_back();
    const auto first = text.find_first_not_of("'\"");
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of("'\"") - first + 1);
  }

  /// Expands all braces that hold no other; false where there are none.
  bool innermost(std::string & text)
  {
    bool found = false;
    for (std::size_t open = text.find("${"); open != std::string::npos;)
    {
      const auto close = text.find('}', open);
      if (close == std::string::npos)
        return false;
      if (const auto inner = text.find("${", open + 2); inner < close)
      {
        open = inner;
        continue;
      }
      auto value = this->value(text.substr(open + 2, close - open - 2));
      std::erase_if(value, [](char c) { return c == '$' || c == '{' || c == '}'; });
      text.replace(open, close + 1 - open, value);
      if (text.size() > max_size)
        fail("expands to more than a million characters");
      found = true;
      open = text.find("${", open + value.size());
    }
    return found;
  }

  std::string value(const std::string & inner)
  {
    std::istringstream stream(inner);
    std::string command, name, word;
    stream >> command >> name;
    if (command == "env")
    {
      const char * variable = std::getenv(name.c_str());
      return variable ? variable : "";
    }
    if (command == "raw")
    {
      while (stream >> word)
        name += word;
      return name;
    }
    if (command != "replace")
      name = command;
    const auto * node = name.empty() ? nullptr : _field.root()->find(name);
    if (!node || node->type() != nmhit::NodeType::Field)
      fail("'${" + name + "}' has no value");
    return text(*node);
  }

  const nmhit::Node & _field;
  std::vector<const nmhit::Node *> _chain;
  std::size_t _references = 0;
};

} // namespace

void check_stub_text(const fs::path & path)
{
  std::error_code trouble;
  std::vector<fs::path> chain{fs::weakly_canonical(path, trouble)};
  int includes = 0;
  Scan(path, chain, includes).run();
}

std::string field_text(const nmhit::Node & field)
{
  if (field.type() == nmhit::NodeType::Field)
    Expansion{field};
  return field.param<std::string>();
}

} // namespace neml2::aoti
