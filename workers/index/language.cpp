#include "workers/index/language.h"

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "shared/text/utf8.h"

namespace answermill::index {
namespace {

struct Language {
  std::string_view name;
  std::string_view stop_words;  // separated by single spaces
};

// The commonest function words of each language; enough to tell them apart and to leave them out of queries.
constexpr std::array<Language, 15> kLanguages{{
    {"english",
     "a about above after again all also am an and any are as at be because been before being below between "
     "both but "
     "by can cannot could did do does doing down during each else few for from further get give given had "
     "has have "
     "having he her here hers him his how i if in into is it its itself just let like me more most much my "
     "no nor not "
     "of off on once one only or other our out over own please same shall she should so some such tell than "
     "that the "
     "their them then there these they this those through to too under until up us very was we were what "
     "when where "
     "whether which while who whom whose why will with would you your according describe explain many may "
     "might must "
     "yes"},
    {"german",
     "aber alle als also am an auch auf aus bei bin bis das dass dem den der des die dies diese dieser doch "
     "du durch "
     "ein eine einem einen einer eines er es für gab gibt haben hat hatte ich ihr im in ist ja kann kein "
     "können mit "
     "nach nicht noch nur oder sein seine sich sie sind so über um und uns unter vom von vor war waren warum "
     "was "
     "welche welchem welchen welcher welches wem wen wenn wer werden wie wieviel wird wo wurde wurden zu zum "
     "zur"},
    {"french",
     "a au aux avec ce ces cette comment dans de des du elle en est et été eu il ils je la le les leur lui "
     "mais même "
     "ne nous on ont ou où par pas plus pour pourquoi qu que quel quelle quelles quels qui sa sans se ses "
     "son sont sur "
     "un une vous y"},
    {"spanish",
     "a al como con cuál cuando cuándo cuánto cuántos de del desde donde dónde el ella en era es esta este "
     "fue ha "
     "hasta hay la las le lo los más me mi muy no o para pero por que qué quién se según ser si sin sobre "
     "son su sus "
     "también un una y ya"},
    {"italian",
     "a ai al alla anche che chi ci come con cosa da dal dalla dei del della delle di dove e è era gli ha "
     "hanno i il in "
     "la le lo ma nel nella non o per perché più quale quali quando quanto questo sono su sua suo tra un una "
     "uno"},
    {"portuguese",
     "a ao aos as até com como da das de do dos e é ela ele em era essa este foi há mais mas na não nas no "
     "nos o onde "
     "os ou para pela pelo por qual quais quando quanto que quem se ser são seu sua também um uma"},
    {"dutch",
     "aan als bij daar dat de der deze die dit door een en er had heb heeft het hij hoe hoeveel in is kan "
     "maar meer met "
     "na naar niet nog nu of om onder ook op over te tot uit van veel voor waar waarom wanneer waren was wat "
     "welk welke "
     "werd wie wordt worden zich zij zijn zo"},
    {"swedish",
     "att av blev de den det deras dess detta där eller en ett från för han har hon hur hur i inte jag kan "
     "man med men "
     "mot många när och om på sig sin som till under upp ut vad var varför vem vid vilka vilken vilket är "
     "över"},
    {"danish",
     "af at blev de den der deres det dette en er et fra for han har havde hun hvad hvem hvilke hvilken hvor "
     "hvordan "
     "hvorfor i ikke jeg kan man med men mod mange når og også om op på sig som til ud under var ved være"},
    {"finnish",
     "että ei he hän ja joka jos kanssa koska kuin kuinka kuka mikä millainen milloin minkä missä mitä mutta "
     "myös ne "
     "niin nyt oli olivat olla on ovat se sen siitä sitä tai tämä vain"},
    {"russian",
     "а без был была были было в во все где да для до его ее если есть еще же за и из или их к как какая "
     "какие какой "
     "когда кто ли мы на не него но о об он она они от по под почему при с сколько со так также то только у "
     "чем что это"},
    {"romanian",
     "a ai al ale am ar au că când care cât câte ce cel cine cu cum de despre din după ea el era este fi "
     "fost în la mai "
     "nu o pe pentru prin sa să sale sau se și sunt unde un una unei unui"},
    {"turkish",
     "ama bir bu da daha de en gibi hangi hangisi her ile için kaç kadar kim mi mu nasıl ne neden nedir "
     "nerede olan "
     "olarak olduğu sonra şu ve veya ya zaman"},
    {"indonesian",
     "ada adalah akan apa apakah atau bagaimana bahwa berapa dalam dan dapat dari dengan di dia dimana ia "
     "ini itu juga "
     "kapan karena ke kepada mana mengapa mereka oleh pada para saat secara sebagai sebuah siapa siapakah "
     "suatu tahun "
     "telah tersebut tidak untuk yang"},
    {"arabic",
     "أن أو أين إلى التي الذي اي أي إن ان او ثم على عن عند في فيها قد كان كانت كم كما كيف لا لم ما ماذا متى "
     "مع من منذ "
     "هذا هذه هل هو هي و هناك وقد ولا بعد بين كل لماذا"},
}};

using Mask = std::uint32_t;

const std::unordered_map<std::string_view, Mask>& word_masks() {
  static const auto masks = [] {
    std::unordered_map<std::string_view, Mask> built;
    for (std::size_t i = 0; i < kLanguages.size(); ++i) {
      std::string_view rest = kLanguages[i].stop_words;
      while (!rest.empty()) {
        const std::size_t space = rest.find(' ');
        built[rest.substr(0, space)] |= Mask{1} << i;
        rest.remove_prefix(space == std::string_view::npos ? rest.size() : space + 1);
      }
    }
    return built;
  }();
  return masks;
}

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_word_byte(char c) { return is_ascii_letter(c) || static_cast<unsigned char>(c) >= 0x80; }

// Share of the text's letters that belong to Arabic and to Cyrillic.
std::string_view language_of_script(std::string_view text) {
  std::size_t letters = 0;
  std::size_t arabic = 0;
  std::size_t cyrillic = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = text::next_code_point(text, at);
    if (c < 0x80 && !is_ascii_letter(static_cast<char>(c))) continue;
    ++letters;
    arabic += (c >= 0x600 && c < 0x700) ? 1 : 0;
    cyrillic += (c >= 0x400 && c < 0x500) ? 1 : 0;
  }
  if (arabic * 3 > letters) return "arabic";
  if (cyrillic * 3 > letters) return "russian";
  return {};
}

}  // namespace

std::string_view guess_language(std::string_view text) {
  constexpr std::size_t kReadBytes = 4000;
  text = text.substr(0, text::floor_boundary(text, kReadBytes));
  if (const auto by_script = language_of_script(text); !by_script.empty()) return by_script;
  std::array<int, kLanguages.size()> counts{};
  std::string word;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && is_word_byte(text[i])) {
      word.push_back(text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] - 'A' + 'a') : text[i]);
      continue;
    }
    if (word.size() > 1) {
      const auto found = word_masks().find(word);
      const Mask mask = found != word_masks().end() ? found->second : 0;
      for (std::size_t l = 0; l < counts.size(); ++l) counts[l] += static_cast<int>((mask >> l) & 1U);
    }
    word.clear();
  }
  std::size_t best = 0;
  for (std::size_t l = 1; l < counts.size(); ++l) {
    if (counts[l] > counts[best] && counts[l] >= 2) best = l;
  }
  return kLanguages[best].name;
}

bool is_stop_word(std::string_view word, std::string_view language) {
  const auto found = word_masks().find(word);
  if (found == word_masks().end()) return false;
  if ((found->second & 1U) != 0) return true;
  for (std::size_t l = 1; l < kLanguages.size(); ++l) {
    if (kLanguages[l].name == language) return ((found->second >> l) & 1U) != 0;
  }
  return false;
}

}  // namespace answermill::index
