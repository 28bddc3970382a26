#include "client/core/csv.h"

namespace anchorhold::client {

CsvReader::CsvReader(ByteSpan text, std::string name)
    : name_(std::move(name)), text_(AsText(text)) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text_.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
    text_.remove_prefix(kByteOrderMark.size());
  }
}

Error CsvReader::Broken(std::string what) const {
  return InvalidInput(std::move(what)).At(name_ + ":" + std::to_string(line_));
}

Result<bool> CsvReader::Next() {
  if (at_ == text_.size()) return false;
  record_start_ = at_;
  record_line_ = line_;
  cells_.clear();
  ends_.clear();
  fields_.clear();
  const char first = text_[at_];
  if (first == '\n' || first == '\r') return Broken("the line is empty; remove it");
  bool another = true;
  while (another) {
    AH_RETURN_IF_ERROR(ReadField());
    ends_.push_back(cells_.size());
    AH_ASSIGN_OR_RETURN(another, AnotherField());
  }
  std::size_t begin = 0;
  for (const std::size_t end : ends_) {
    fields_.push_back(std::string_view(cells_).substr(begin, end - begin));
    begin = end;
  }
  return true;
}

Status CsvReader::ReadField() {
  return at_ < text_.size() && text_[at_] == '"' ? ReadQuotedField() : ReadPlainField();
}

Status CsvReader::ReadPlainField() {
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == ',' || c == '\n' || c == '\r') return Ok();
    if (c == '\0') return Broken("a NUL byte; this is not a text file");
    if (c == '"')
      return Broken("a quote inside a cell; put the whole cell in quotes and double it");
    if (at_ - record_start_ >= kCsvRecordBytesMax) {
      return Broken("the line is longer than the limit of 1 MiB");
    }
    cells_ += c;
  }
  return Ok();
}

Status CsvReader::ReadQuotedField() {
  const std::size_t opened_at_line = line_;
  for (++at_; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (at_ - record_start_ >= kCsvRecordBytesMax) {
      return Broken("the line is longer than the limit of 1 MiB; is a quote left open?");
    }
    if (c == '\0') return Broken("a NUL byte; this is not a text file");
    if (c == '\n') ++line_;
    if (c == '"') {
      const bool doubled = at_ + 1 < text_.size() && text_[at_ + 1] == '"';
      ++at_;
      if (!doubled) return Ok();
    }
    cells_ += c;
  }
  return Broken("the file ends inside a cell whose quote opens on line " +
                std::to_string(opened_at_line));
}

Result<bool> CsvReader::AnotherField() {
  if (at_ == text_.size()) return false;
  const char c = text_[at_];
  if (c == ',') {
    if (ends_.size() > limits::kColumnsMax) {
      return Broken("more than " + std::to_string(limits::kColumnsMax) + " columns");
    }
    ++at_;
    return true;
  }
  if (c == '\r') {
    if (at_ + 1 == text_.size() || text_[at_ + 1] != '\n') {
      return Broken("a carriage return that no line feed follows; save the file with LF or CRLF");
    }
    ++at_;
  }
  if (text_[at_] != '\n') return Broken("text follows a closing quote; only a comma may");
  ++at_;
  ++line_;
  return false;
}

}  // namespace anchorhold::client
