// XML as far as signed documents of vendors need it, read by libxml2: elements, attributes, text.
// What XML can do besides is refused before the library sees it: document types and with them
// entities of one's own, comments, CDATA sections and processing instructions ("<!" and "<?", but
// for an XML declaration at the start), and encodings other than UTF-8. Nothing outside of the
// document is ever opened. Not safe to share between threads.
#pragma once

#include <libxml/tree.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/bytes.h"

namespace anchorhold::client {

inline constexpr std::size_t kXmlBytesMax = 512 * 1024;

class XmlDocument {
 public:
  // kInvalidInput, kLimitExceeded over kXmlBytesMax.
  static Result<XmlDocument> Parse(ByteSpan bytes);
  xmlDoc* native() const { return document_.get(); }
  xmlNode* root() const;  // never null

 private:
  struct Free {
    void operator()(xmlDoc* document) const { xmlFreeDoc(document); }
  };
  explicit XmlDocument(xmlDoc* document) : document_(document) {}
  std::unique_ptr<xmlDoc, Free> document_;
};

// The elements directly below one.
std::vector<xmlNode*> XmlChildren(const xmlNode* element);
// Whether it is an element of that name in that namespace.
bool XmlIs(const xmlNode* element, std::string_view name_space, std::string_view name);
// The one child of that name; kInvalidInput if there is none, or several.
Result<xmlNode*> XmlOnlyChild(const xmlNode* element, std::string_view name_space,
                              std::string_view name);
// An attribute; `name_space` empty: one without. Nothing if it is not there.
std::optional<std::string> XmlAttribute(const xmlNode* element, const std::string& name,
                                        const std::string& name_space = "");
// The text in an element that has nothing else in it, without white space.
Result<std::string> XmlPackedText(const xmlNode* element);

}  // namespace anchorhold::client
