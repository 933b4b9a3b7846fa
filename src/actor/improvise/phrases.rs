//! What can be said to anybody. `{speaker}` is the other's name; where there is none it is left
//! out together with the comma before it.

use super::mood::Mood;

/// The first sentence of a reply.
pub fn openings(mood: Mood) -> &'static [&'static str] {
    match mood {
        Mood::Greeting | Mood::Arrival => &[
            "Good to see you, {speaker}.",
            "Ah, there you are, {speaker}.",
            "Well met, {speaker}.",
            "Come closer, {speaker}, I don't bite.",
        ],
        Mood::Farewell => {
            &["Go safely, {speaker}.", "Until next time, {speaker}.", "Mind the road, {speaker}."]
        }
        Mood::Thanks => &[
            "Don't mention it, {speaker}.",
            "You are most welcome, {speaker}.",
            "That is kind of you, {speaker}.",
        ],
        Mood::Threat => &[
            "Easy now, {speaker}.",
            "Careful, {speaker}. Nobody needs to get hurt.",
            "I have seen worse than you, {speaker}.",
            "Put that thought away, {speaker}.",
        ],
        Mood::Request => &[
            "Let me see what I can do, {speaker}.",
            "That can be arranged, {speaker}.",
            "I hear you, {speaker}.",
        ],
        Mood::Question => &[
            "That is a fair question, {speaker}.",
            "You want to know, {speaker}? Listen, then.",
            "Hm. Let me think, {speaker}.",
            "You are not the first who asks, {speaker}.",
        ],
        Mood::Remark => &[
            "So you say, {speaker}.",
            "I was thinking the same, {speaker}.",
            "Is that so, {speaker}?",
            "You have an eye for such things, {speaker}.",
        ],
        Mood::Happening => &[
            "Did you see that, {speaker}?",
            "Something is going on here, {speaker}.",
            "I don't know what to make of this, {speaker}.",
        ],
    }
}

/// When a question finds nothing in the dossier.
pub const NO_ANSWER: &[&str] = &[
    "I could not tell you that for certain, {speaker}.",
    "That is more than I know, {speaker}.",
    "There are wiser heads than mine for that, {speaker}.",
    "I have heard nothing of it, {speaker}, and I hear a good deal.",
];

/// Before a fact that was not asked for.
pub const BY_THE_WAY: &[&str] = &[
    "But I can tell you this much.",
    "But something else I do know.",
    "Since you are here, listen.",
    "You may find this useful, though.",
];

/// Before something that the agent noticed.
pub const NOTICED: &[&str] = &[
    "You will have noticed it too.",
    "And have you seen?",
    "It has been on my mind.",
    "Did you notice?",
];

/// The last sentence.
pub fn closings(mood: Mood) -> &'static [&'static str] {
    match mood {
        Mood::Greeting | Mood::Arrival => &[
            "What brings you here?",
            "What can I do for you?",
            "Stay as long as you like.",
            "Have you come far today?",
        ],
        Mood::Farewell => &["My door stays open.", "I will be here when you come back."],
        Mood::Thanks => &["We look after each other here.", "Come back whenever you like."],
        Mood::Threat => &[
            "Say what you want, and say it calmly.",
            "Think twice before you take another step.",
            "There is still time to talk about this.",
        ],
        Mood::Request => &["Is there anything else?", "Give me a moment.", "Will that do?"],
        Mood::Question => {
            &["Why do you ask?", "Does that help you?", "Keep it to yourself, would you?"]
        }
        Mood::Remark => &["What do you make of it?", "Go on.", "Tell me more."],
        Mood::Happening => &["Let us keep our eyes open.", "We should be careful."],
    }
}

/// What a body does, as a word and as a sentence without its subject.
pub fn gestures(mood: Mood) -> &'static [(&'static str, &'static str)] {
    match mood {
        Mood::Greeting | Mood::Arrival => &[
            ("wave", "raises a hand in greeting"),
            ("nod", "looks up and nods"),
            ("smile", "smiles warmly"),
        ],
        Mood::Farewell => &[("wave", "waves after them"), ("nod", "nods a goodbye")],
        Mood::Thanks => &[("bow", "bows a little"), ("smile", "smiles, a little embarrassed")],
        Mood::Threat => &[
            ("step_back", "takes a step back"),
            ("guard", "straightens up, hands well in sight"),
            ("glare", "does not look away"),
        ],
        Mood::Request => &[("nod", "nods and turns to it"), ("look", "looks around for it")],
        Mood::Question => &[
            ("think", "thinks for a moment"),
            ("lean", "leans closer and lowers the voice"),
            ("shrug", "shrugs"),
        ],
        Mood::Remark => &[("nod", "nods slowly"), ("laugh", "laughs quietly")],
        Mood::Happening => &[("look", "looks around"), ("point", "points with the chin")],
    }
}

/// Names of feelings that fit, the best first. The last ones fit nearly always.
pub fn feelings(mood: Mood) -> &'static [&'static str] {
    match mood {
        Mood::Greeting | Mood::Arrival | Mood::Thanks => {
            &["joy", "happy", "happiness", "friendly", "warm", "pleased", "calm", "neutral"]
        }
        Mood::Farewell => &["sad", "sadness", "wistful", "calm", "neutral"],
        Mood::Threat => {
            &["fear", "afraid", "wary", "anger", "angry", "alarm", "worried", "neutral"]
        }
        Mood::Question => &["curious", "curiosity", "thoughtful", "interest", "neutral", "calm"],
        Mood::Request => &["helpful", "friendly", "happy", "joy", "calm", "neutral"],
        Mood::Remark => &["amused", "thoughtful", "interest", "curious", "neutral", "calm"],
        Mood::Happening => &["surprise", "surprised", "wary", "worried", "curious", "neutral"],
    }
}

/// What goes on behind the forehead.
pub fn thought(mood: Mood) -> &'static str {
    match mood {
        Mood::Greeting | Mood::Arrival => "Somebody is here. A friendly word costs nothing.",
        Mood::Farewell => "They are going. Better to part well.",
        Mood::Thanks => "That was kindly meant. I should return it.",
        Mood::Threat => "This could turn ugly. I had better stay calm.",
        Mood::Request => "They want something from me. I will see what I can do.",
        Mood::Question => "They want to know something. What do I know about it?",
        Mood::Remark => "They only want to talk. I can do that.",
        Mood::Happening => "Something is happening. I should say what I see.",
    }
}
