//! The commonest words of some big languages, folded as `terms` folds them. They stand in nearly
//! every text, so that looking for them costs much and finds nothing in particular. What means
//! something in another language (*die*, *war*, *son*) is left out of the lists.

use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Whether a word, or a pair of characters, is too common to be looked for.
pub(super) fn is_common(word: &str) -> bool {
    static ALL: LazyLock<BTreeSet<&str>> =
        LazyLock::new(|| LISTS.iter().flat_map(|list| list.split_whitespace()).collect());
    ALL.contains(word)
}

const LISTS: &[&str] = &[
    // English, and what apostrophes leave of it.
    "a about after again all also am an and any are as at be because been before being but by can \
     could did do does doing don down each else ever every few for from get got had has have having \
     he her here hers him his how i if in into is isn it its just ll like may me might more most much \
     must my myself no nor not now of off on once only or other our ours out over own please re \
     really said same say she should so some something such tell than that the their them then \
     there these they thing things this those though through to too under until up upon us ve very \
     was wasn we were what when where which while who whom whose why will with would yes yet you \
     your yours",
    // What is said before anything is.
    "ah aha aye bye eh good goodbye hello hey hi hm hmm hmmm mhm oh okay ok thank thanks uh uhm um",
    // German.
    "aber als am an auch auf aus bei bin bis bist da damit dann das dass dein deine dem den denn der \
     des dich dies diese diesem diesen dieser dieses dir doch dort du ein eine einem einen einer eines \
     er es etwas euch euer fur haben habe habt hatte hatten hier ich ihm ihn ihr ihre im in ist ja \
     jetzt kann konnen mein meine mich mir mit muss nach nicht nichts noch nun nur ob oder ohne \
     schon sehr sein seine sich sie sind so uber um und uns unser vom von vor wann warum was weil \
     wenn wer werden wie wieder will wir wird wo wurde zu zum zur macht machen",
    // Spanish.
    "al algo como con cual cuando cuanto de del desde donde el ella ellos en era eres es esa ese eso \
     esta estaba estan estar este esto estos estoy fue ha hace han hasta hay la las le les lo los mas \
     me mi mis mucho muy nada ni nos o para pero por porque que quien se ser si sin sobre soy su sus \
     te tiene tienen todo tu tus un una uno y ya yo",
    // French.
    "au aux avec ce cela celle ces cet cette chez comme dans de des dont du elle elles en est et etait \
     eux fait ici il ils je la le les leur lui ma mais me meme mes moi mon ne nos notre nous on ou \
     par pas plus pour pourquoi quand que quel quelle qui quoi sa sans se ses si sont sur suis ta te \
     tes toi ton tout tres tu un une vos votre vous qu ca",
    // Portuguese and Italian, what the others lack.
    "ao aos com como da das do dos ela ele em foi isso mais meu minha na nao nas no nos onde os ou \
     pela pelo qual quem sao sem seu sua tem um uma voce che chi ci cosa cui dal dalla degli dei del \
     della delle di dove e ed gli ha hai ho i il io ma nel nella non per perche piu quale quando \
     quello questa questo se sei si sono su sua suo ti tra un una",
    // Dutch, what the others lack.
    "aan bij dat deze een en het hij hoe ik is je kan maar met niet of om ook op te uit van voor waar \
     wat wie wij zijn zo",
    // Russian and Ukrainian.
    "а без бы был была были было быть в вам вас весь во вот все всего вы где да для до его ее если \
     есть еще же за и из или им их к как когда которыи кто ли мне можно мои мы на над надо наш не него \
     нее нет ни них но ну о об он она они оно от очень по под при с сам свои себя со так такои там \
     твои тебя то только тот ты у уже хотя чего чем что чтобы эта эти это этот я є і иого іі та це що \
     як якии",
    // Chinese.
    "的 了 是 在 我 你 您 他 她 它 们 們 这 這 那 哪 里 裡 裏 什 么 麼 谁 誰 吗 嗎 呢 吧 啊 不 没 沒 有 和 与 與 \
     就 都 也 很 把 被 个 個 着 著 说 說 会 會 要 到 去 上 下 为 為 什么 甚麼 什麼 哪里 哪裡 哪儿 这个 這個 \
     那个 那個 我们 我們 你们 你們 他们 他們 她们 是谁 是誰 是什 在哪 为什 為什 怎么 怎麼 多少 没有 沒有 一个 \
     一個 是不 不是 有什 的是 了什",
    // Japanese.
    "です ます した して する から まで どこ だれ なに なん ある いる この その あの それ これ あれ ので \
     とき こと もの いつ どう なぜ でし まし たか すか った ている てい ない さん 何 誰",
    // Korean: endings, and what one asks with.
    "은 는 이 가 을 를 의 에 어디 누구 무엇 언제 입니 니다 니까 습니 합니 에서 있는 나요 까요",
    // Turkish, Polish, what the others lack.
    "bir bu ve ile icin ne mi ama cok nerede kim w z na sie jest nie ze co czy gdzie kto jak ja ty \
     ktory",
];
