#include "mailboxfs/json/json.h"

#include <gtest/gtest.h>

#include <limits>

#include "mailboxfs/base/error.h"

namespace mailboxfs::json {
namespace {

std::string ErrorOf(std::string_view text, const ParseOptions& options = {}) {
  try {
    Parse(text, options);
  } catch (const base::Error& error) {
    EXPECT_EQ(error.kind(), base::ErrorKind::kConfig);
    return error.what();
  }
  return "no error";
}

TEST(JsonParse, GivesEveryType) {
  const Value value = Parse(R"({"n": null, "b": true, "i": -7, "d": 1.5, "s": "\u00e4\n", "a": [1, "2"], "o": {}})");
  EXPECT_TRUE(value.Find("n")->IsNull());
  EXPECT_TRUE(*value.Find("b")->AsBool());
  EXPECT_EQ(*value.Find("i")->AsInt(), -7);
  EXPECT_EQ(*value.Find("d")->AsDouble(), 1.5);
  EXPECT_EQ(*value.Find("s")->AsString(), "ä\n");
  EXPECT_EQ(value.Find("a")->AsArray()->size(), 2U);
  EXPECT_TRUE(value.Find("o")->AsObject()->keys.empty());
  EXPECT_EQ(value.Find("missing"), nullptr);
  EXPECT_EQ(value.Find("a")->Find("x"), nullptr);
}

TEST(JsonParse, KnowsTheLineOfEveryKeyAndValue) {
  const Value value = Parse("{\n\"a\":\n1\n,\n\"b\": [true,\n\nnull, 2\n, \"x\"],\n\"c\":\n{\n\"d\":-0.5\n}\n}\n");
  const Value::Object& object = *value.AsObject();
  EXPECT_EQ(value.line(), 1);
  EXPECT_EQ(object.keys, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(object.lines, (std::vector<int>{2, 5, 9}));
  EXPECT_EQ(object.values[0].line(), 3);
  const Value::Array& array = *object.values[1].AsArray();
  EXPECT_EQ(array[0].line(), 5);
  EXPECT_EQ(array[1].line(), 7);
  EXPECT_EQ(array[2].line(), 7);
  EXPECT_EQ(array[3].line(), 8);
  EXPECT_EQ(object.values[2].line(), 10);
  EXPECT_EQ(object.values[2].AsObject()->lines[0], 11);
  EXPECT_EQ(object.values[2].Find("d")->line(), 11);
}

TEST(JsonParse, CountsLinesInComments) {
  const Value value =
      Parse("// one\n/* two\nthree */ {\n// \"x\": 1,\n\"a\": \"// no comment\"}", {.allow_comments = true});
  EXPECT_EQ(value.line(), 3);
  EXPECT_EQ(value.Find("a")->line(), 5);
  EXPECT_EQ(*value.Find("a")->AsString(), "// no comment");
}

TEST(JsonParse, RefusesCommentsUnlessAsked) {
  EXPECT_EQ(ErrorOf("{\n// c\n}").find("line 2: syntax error while parsing object key"), 0U);
}

TEST(JsonParse, NamesTheLineOfAMistake) {
  struct Case {
    std::string_view text, error;
  };
  const Case cases[] = {
      {"", "line 1: syntax error while parsing value - unexpected end of input; expected '[', '{', or a literal"},
      {"{\"a\": 1,\n}",
       "line 2: syntax error while parsing object key - unexpected '}'; expected string literal (no comma after the "
       "last member)"},
      {"[1,\n]",
       "line 2: syntax error while parsing value - unexpected ']'; expected '[', '{', or a literal (no comma after the "
       "last element)"},
      {"{\"a\": 1\n\"b\": 2}", "line 2: syntax error while parsing object - unexpected string literal; expected '}'"},
      {"{\n\"a\" 5\n}",
       "line 2: syntax error while parsing object separator - unexpected number literal; expected ':'"},
      {"[1]\n\n[2]", "line 3: syntax error while parsing value - unexpected '['; expected end of input"},
      {"[1,\n 2", "line 2: syntax error while parsing array - unexpected end of input; expected ']'"},
      {"{\"a\":\n{\"b\": 1, \n\"b\": 2}}",
       "line 3: the key \"b\" is given twice (first on line 2); remove one of them"},
      {"[\n9223372036854775808\n]", "line 2: an integer is out of range; the largest is 9223372036854775807"},
      {"[-9223372036854775809]", "line 1: an integer is out of range; the largest is 9223372036854775807"},
      {"[99999999999999999999999999]", "line 1: an integer is out of range; the largest is 9223372036854775807"},
      {"[\n1e999]", "line 2: a number is out of range"},
      {std::string_view("{}\n\0{", 5), "line 2: a NUL byte in the text"},
  };
  for (const Case& c : cases) EXPECT_EQ(ErrorOf(c.text), c.error) << c.text;
}

TEST(JsonParse, NeverQuotesAValue) {
  const std::string error = ErrorOf("{\n\"password\": \"hunter2; expected nothing\n\"}");
  EXPECT_EQ(error.find("line 2: syntax error while parsing value - invalid string: control character"), 0U) << error;
  EXPECT_EQ(error.find("hunter2"), std::string::npos);
  EXPECT_EQ(error.find("nothing"), std::string::npos);
  EXPECT_EQ(ErrorOf("{\"a\": hunter2}").find("hunter"), std::string::npos);
}

TEST(JsonParse, RefusesIllFormedUtf8) {
  EXPECT_EQ(ErrorOf("[\"\xff\"]").find("line 1: syntax error while parsing value - invalid string: ill-formed UTF-8"),
            0U);
}

TEST(JsonParse, TakesTheWholeRangeOfIntegers) {
  const Value value = Parse("[9223372036854775807, -9223372036854775808]");
  EXPECT_EQ(*(*value.AsArray())[0].AsInt(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(*(*value.AsArray())[1].AsInt(), std::numeric_limits<int64_t>::min());
}

TEST(JsonParse, RefusesDeepNestingWithoutUsingTheStack) {
  EXPECT_EQ(ErrorOf(std::string(1'000'000, '[')), "line 1: objects and arrays are nested more than 64 deep");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_EQ(ErrorOf(objects), "line 1: objects and arrays are nested more than 64 deep");
  EXPECT_EQ(ErrorOf("[[[]]]", {.max_depth = 2}), "line 1: objects and arrays are nested more than 2 deep");
  EXPECT_EQ(ErrorOf("[[],[[]]]", {.max_depth = 3}), "no error");
}

TEST(JsonParse, IsFastOnManyKeys) {
  constexpr int kKeys = 10'000 * MAILBOXFS_MANY;
  std::string text = "{";
  for (int i = 0; i < kKeys; ++i) text += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_EQ(Parse(text + "\"end\":1}").AsObject()->keys.size(), kKeys + 1U);
  EXPECT_NE(ErrorOf(text + "\"k5\":1}").find("\"k5\" is given twice"), std::string::npos);
}

TEST(JsonDump, KeepsTheOrderAndReadsBack) {
  const std::string text = R"({"z":[1,-2.5,"a\"b\n",true,null,{}],"a":{"m":[]}})";
  EXPECT_EQ(Dump(Parse(text)), text);
  EXPECT_EQ(Dump(Parse(R"({"b":1,"a":[2]})"), 2), "{\n  \"b\": 1,\n  \"a\": [\n    2\n  ]\n}");
}

TEST(JsonDump, ReplacesInvalidUtf8) {
  Value value = Value::MakeObject();
  value.Set("k\xff", "v\xc3");
  EXPECT_EQ(Dump(value), "{\"k\xEF\xBF\xBD\":\"v\xEF\xBF\xBD\"}");
  EXPECT_EQ(Dump(std::numeric_limits<double>::infinity()), "null");
}

TEST(JsonValue, SetMakesAnObjectAndReplaces) {
  Value value;
  value.Set("a", 1);
  value.Set("b", "x").set_line(4);
  value.Set("a", 2U);
  EXPECT_EQ(Dump(value), R"({"a":2,"b":"x"})");
  EXPECT_EQ(value.Find("b")->line(), 4);
  EXPECT_THROW(Value(5).Set("a", 1), base::Error);
}

TEST(JsonValue, AppendMakesAnArray) {
  Value value;
  value.Append(1);
  value.Append(Value::MakeObject());
  EXPECT_EQ(Dump(value), "[1,{}]");
  EXPECT_THROW(Value("text").Append(1), base::Error);
}

TEST(JsonValue, MembersOfAnotherTypeAreEmpty) {
  const Value value = Parse(R"({"text":"t","number":7,"items":[1],"null":null})");
  EXPECT_EQ(value.TextAt("text"), "t");
  EXPECT_EQ(value.IntAt("number"), 7);
  EXPECT_EQ(value.ItemsAt("items").size(), 1U);
  for (const char* key : {"null", "none", "number"}) EXPECT_EQ(value.TextAt(key), "");
  for (const char* key : {"null", "none", "text"}) EXPECT_EQ(value.IntAt(key), std::nullopt);
  for (const char* key : {"null", "none", "text"}) EXPECT_TRUE(value.ItemsAt(key).empty());
  EXPECT_EQ(Value("no object").TextAt("text"), "");
}

TEST(JsonParse, LenientlyIsNullWhereThereIsNoJson) {
  EXPECT_EQ(Dump(ParseLeniently(R"({"a":1})")), R"({"a":1})");
  EXPECT_TRUE(ParseLeniently("<html>busy</html>").IsNull());
  EXPECT_TRUE(ParseLeniently("{\"a\":").IsNull());
}

TEST(JsonValue, NamesItsType) {
  EXPECT_EQ(Value().TypeName(), "null");
  EXPECT_EQ(Value(true).TypeName(), "true or false");
  EXPECT_EQ(Value(1).TypeName(), "integer");
  EXPECT_EQ(Value(1.0).TypeName(), "number");
  EXPECT_EQ(Value("").TypeName(), "string");
  EXPECT_EQ(Value(Value::Array{}).TypeName(), "array");
  EXPECT_EQ(Value::MakeObject().TypeName(), "object");
}

}  // namespace
}  // namespace mailboxfs::json
