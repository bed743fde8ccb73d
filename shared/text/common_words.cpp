// The most frequent words of eleven languages, folded as WordReader folds: they say little about a text's
// subject.
#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_set>

#include "shared/text/words.h"

namespace answermill::text {
namespace {

// English, German, French, Spanish, Italian, Portuguese, Dutch, Swedish, Indonesian, Russian, Arabic.
constexpr std::string_view kWords =
    "a aan aber about above ada adalah after again against agar ai akan al algo all alla alle als "
    "also am an anche and antara any ao aos apa apakah ar are as at atau ate att au auch auf aus aux "
    "av avec bagi bahwa banyak be because been before bei being below berapa between bij bin bis "
    "bisa bist both but by can ce ces cette che chi ci com come comme como con cosa could cual "
    "cuando cuanto cuantos da dadurch daher dal dalam dalla dan dans dapat dari darum das dass dat "
    "de dei dein del dele della delle dem den dengan denna der des desde det detta deze di dia did "
    "die dies diese dieser dieses dig dit do doch does doing donde door dort dos dove down du durch "
    "during e each ed een efter ein eine einem einen einer eines el ela eles ella ellas elle elles "
    "ellos em en entre er era es esa ese eso essa esse essere est esta este esto et etait ett eu "
    "euer fait few foi for fran from fue fur further gli ha had han hanno hanya har harus has hasta "
    "hatte hatten have having hay he heb heeft her here hers het hier hij him his hoe hon how hun "
    "hur i ia ich if ihr ihre ik il ils im in ini inte into io is isso ist isto it its itself itu ja "
    "jag je jede jeder jedes jika juga just kami kan kann kapan karena ke kein keine kepada kita "
    "konnen la las le lebih les leur leurs like lo loro los lui ma maar machen made mais man mana "
    "many mas may me med meer mehr mein meme men mengapa mereka mes mesmo met mi might mij mit moi "
    "mon more most mot much muito muss must muy my na naar nach nagot nao nar nas ne nei nel nella "
    "nem nicht niet no noch nog non nor nos not notre nous now nu nun nur nya o ob och oder of off "
    "ohne oleh om on once onde onder one only ont ook op or os other ou our ours out over own pa "
    "pada par para pas pela pelo per perche pero piu plus por porque pour qu qual quale quali quand "
    "quando quanto que quel quelle quelles quello quels quem questa questo qui quien s sa saat saja "
    "same sangat sans sao saya se sebagai sebuah secara sehr sein seine sejak sem seperti ser serta "
    "ses seu seus shall she should si siapa sich sie sig sin sind so sobre soll som some son sono "
    "sont su sua suas such sudah sul sulla suo sur sus t ta tambem tambien te telah tem tentang "
    "tersebut tes than that the their theirs them then there these they this those through tidak "
    "tiene till to todo toi ton too tot tra tu two uber uit um uma un una und under une uno uns "
    "unser unter until untuk up upon upp us ut vad van var veel vem very vi vid vilka vilken voce "
    "vom von voor vor vos votre vous waar wann wanneer war waren warum was wat we weil welche "
    "welcher welke wenn wer werd werden were what when where which while who whom why wie wieder wij "
    "will wir wird with within without wo worden wordt would wurde wurden y ya yaitu yang you your "
    "yours zal ze zich zij zijn zo zou zu zum zur zwischen а бы был была были было "
    "быть в вам вас весь во вот все всех вы где да для до "
    "его ее если есть еще же за здесь и из или им их к как "
    "какая какие какой когда кто ли между меня мне много "
    "может мы на над надо наш не него нее нет ни них но о "
    "об однако он она они оно от очень по под почему при с "
    "сколько со так также такой там тем то того тоже той "
    "только том ты у уже чего чей чем что чтобы чье эта "
    "эти это этот я اذا التي الذي الي ان او اين بعد بين تلك "
    "ثم حتي ذلك على عن عند في قبل قد كان كانت كل كم كيف لا "
    "لم لماذا لن ما متي مع من منذ هذا هذه هل هو هي و ";

std::unordered_set<std::string_view> split(std::string_view words) {
  std::unordered_set<std::string_view> table;
  while (!words.empty()) {
    const std::size_t stop = std::min(words.find(' '), words.size());
    table.insert(words.substr(0, stop));
    words.remove_prefix(std::min(stop + 1, words.size()));
  }
  return table;
}

}  // namespace

bool is_common_word(std::string_view folded) {
  static const std::unordered_set<std::string_view> kTable = split(kWords);
  return kTable.count(folded) > 0;
}

}  // namespace answermill::text
