//! Parses GRUB scripts into words, commands and blocks (GRUB manual §6, "Writing your own
//! configuration file"). Unknown syntax is skipped; nothing fails.

use std::rc::Rc;

use super::{MAX_NESTING, MAX_WORDS};

/// Part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// A variable; unquoted, its value is split into words.
    Variable {
        name: String,
        quoted: bool,
    },
}

/// A word before its variables are expanded. A quoted word counts even when empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) parts: Vec<Part>,
    pub(super) quoted: bool,
}

impl Word {
    /// Returns its text if it has no variables and no quotes, as keywords have.
    fn plain(&self) -> Option<&str> {
        match &self.parts[..] {
            [Part::Text(text)] if !self.quoted => Some(text),
            _ => None,
        }
    }

    fn push(&mut self, letter: char) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push(letter),
            _ => self.parts.push(Part::Text(letter.into())),
        }
    }
}

/// A command or a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Command {
        words: Vec<Word>,
    },
    /// `menuentry` and `submenu`: the words up to the brace, then the block.
    Entry {
        is_submenu: bool,
        words: Vec<Word>,
        body: Rc<[Self]>,
        line: usize,
    },
    /// Every `if` and `elif` with its block, and the block of `else`.
    If {
        branches: Vec<(Vec<Self>, Vec<Self>)>,
        otherwise: Vec<Self>,
    },
    For {
        name: String,
        words: Vec<Word>,
        body: Vec<Self>,
    },
    /// `while` and `until`.
    Loop {
        body: Vec<Self>,
    },
    Function {
        name: String,
        body: Rc<[Self]>,
    },
}

/// Parses a script. The flag is set if blocks nest deeper than [`MAX_NESTING`] and the rest was
/// left out.
pub(super) fn parse(text: &str) -> (Vec<Node>, bool) {
    let mut parser = Parser {
        tokens: tokens(text),
        at: 0,
        depth: 0,
        is_too_deep: false,
    };
    let mut nodes = Vec::new();
    while parser.at < parser.tokens.len() {
        nodes.extend(parser.list(&[]));
        // An unexpected brace or keyword.
        parser.at += 1;
    }
    (nodes, parser.is_too_deep)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(Word, usize),
    /// A newline or a semicolon.
    End,
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    is_too_deep: bool,
}

impl Parser {
    fn keyword(&self) -> Option<&str> {
        match self.tokens.get(self.at)? {
            Token::Word(word, _) => word.plain(),
            Token::End => None,
        }
    }

    fn take(&mut self, keyword: &str) -> bool {
        let is_next = self.keyword() == Some(keyword);
        self.at += usize::from(is_next);
        is_next
    }

    fn skip_ends(&mut self) {
        while self.tokens.get(self.at) == Some(&Token::End) {
            self.at += 1;
        }
    }

    /// Parses commands up to one of these keywords, which is not consumed, or up to any that closes
    /// a block.
    fn list(&mut self, until: &[&str]) -> Vec<Node> {
        let mut nodes = Vec::new();
        if self.depth >= MAX_NESTING {
            self.is_too_deep = true;
            self.at = self.tokens.len();
            return nodes;
        }
        self.depth += 1;
        loop {
            self.skip_ends();
            let Some(Token::Word(word, line)) = self.tokens.get(self.at) else {
                break;
            };
            let (keyword, line) = (word.plain().unwrap_or_default().to_owned(), *line);
            let closes = ["}", "then", "elif", "else", "fi", "do", "done"];
            if until.contains(&keyword.as_str()) || closes.contains(&keyword.as_str()) {
                break;
            }
            nodes.extend(self.node(&keyword, line));
        }
        self.depth -= 1;
        nodes
    }

    fn node(&mut self, keyword: &str, line: usize) -> Option<Node> {
        self.at += 1;
        match keyword {
            "if" => Some(self.condition()),
            "for" => {
                let mut words = self.words();
                let name = words.first()?.plain()?.to_owned();
                words.drain(..words.len().min(2));
                let body = self.do_block();
                Some(Node::For { name, words, body })
            }
            "while" | "until" => {
                self.list(&["do"]);
                let body = self.do_block();
                Some(Node::Loop { body })
            }
            "function" => {
                let words = self.words();
                let body = self.braces().into();
                let name = words.first()?.plain()?.to_owned();
                Some(Node::Function { name, body })
            }
            "menuentry" | "submenu" | "hiddenentry" => {
                let words = self.words();
                let body = self.braces().into();
                let is_submenu = keyword == "submenu";
                Some(Node::Entry {
                    is_submenu,
                    words,
                    body,
                    line,
                })
            }
            // A group of commands.
            "{" => {
                self.at -= 1;
                let body = self.braces();
                Some(Node::Loop { body })
            }
            _ => {
                self.at -= 1;
                let words = self.words();
                // Skips a token that cannot begin a command.
                self.at += usize::from(words.is_empty());
                (!words.is_empty()).then_some(Node::Command { words })
            }
        }
    }

    /// Parses the words up to the end of a command or an opening brace.
    fn words(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        while let Some(Token::Word(word, _)) = self.tokens.get(self.at) {
            if word.plain() == Some("{") {
                break;
            }
            if words.len() < MAX_WORDS {
                words.push(word.clone());
            }
            self.at += 1;
        }
        words
    }

    fn braces(&mut self) -> Vec<Node> {
        self.skip_ends();
        if !self.take("{") {
            return Vec::new();
        }
        let mut body = Vec::new();
        loop {
            body.extend(self.list(&[]));
            if self.at >= self.tokens.len() || self.take("}") {
                return body;
            }
            // A keyword without its block.
            self.at += 1;
        }
    }

    fn do_block(&mut self) -> Vec<Node> {
        self.skip_ends();
        self.take("do");
        let body = self.list(&["done"]);
        self.take("done");
        body
    }

    fn condition(&mut self) -> Node {
        let mut branches = Vec::new();
        let mut otherwise = Vec::new();
        loop {
            let condition = self.list(&["then"]);
            self.take("then");
            branches.push((condition, self.list(&[])));
            if !self.take("elif") {
                break;
            }
        }
        if self.take("else") {
            otherwise = self.list(&[]);
        }
        self.take("fi");
        Node::If {
            branches,
            otherwise,
        }
    }
}

/// Splits a script into words with their line numbers, removing quotes and comments.
fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        letters: text.chars().peekable(),
        word: None,
        line: 1,
        tokens: Vec::new(),
    };
    lexer.run();
    lexer.tokens
}

struct Lexer<'a> {
    letters: std::iter::Peekable<std::str::Chars<'a>>,
    word: Option<Word>,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(letter) = self.letters.next() {
            match letter {
                '\n' | ';' => {
                    self.end_word();
                    self.tokens.push(Token::End);
                    self.line += usize::from(letter == '\n');
                }
                '&' | '|' if self.letters.peek() == Some(&letter) => {
                    self.letters.next();
                    self.end_word();
                    self.tokens.push(Token::End);
                }
                letter if letter.is_whitespace() => self.end_word(),
                '#' if self.word.is_none() => {
                    while self.letters.next_if(|&next| next != '\n').is_some() {}
                }
                '\'' => self.quoted('\''),
                '"' => self.quoted('"'),
                '\\' => match self.letters.next() {
                    Some('\n') => self.line += 1,
                    Some(next) => self.word.get_or_insert_default().push(next),
                    None => {}
                },
                '$' => self.variable(false),
                letter => self.word.get_or_insert_default().push(letter),
            }
        }
        self.end_word();
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take() {
            self.tokens.push(Token::Word(word, self.line));
        }
    }

    fn quoted(&mut self, quote: char) {
        self.word.get_or_insert_default().quoted = true;
        while let Some(letter) = self.letters.next() {
            match letter {
                letter if letter == quote => return,
                '$' if quote == '"' => self.variable(true),
                '\\' if quote == '"' => match self.letters.next() {
                    Some(next @ ('"' | '\\' | '$')) => {
                        self.word.get_or_insert_default().push(next);
                    }
                    Some('\n') => self.line += 1,
                    Some(next) => {
                        let word = self.word.get_or_insert_default();
                        word.push('\\');
                        word.push(next);
                    }
                    None => {}
                },
                letter => {
                    self.line += usize::from(letter == '\n');
                    self.word.get_or_insert_default().push(letter);
                }
            }
        }
    }

    /// Parses what follows a `$`: `name`, `{name}`, a digit, or no name.
    fn variable(&mut self, quoted: bool) {
        let mut name = String::new();
        let in_braces = self.letters.next_if_eq(&'{').is_some();
        let is_special = |c: char| c.is_ascii_digit() || "?@*#".contains(c);
        if let Some(special) = self.letters.next_if(|&c| is_special(c)) {
            name.push(special);
        } else {
            let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
            while let Some(letter) = self.letters.next_if(is_name) {
                name.push(letter);
            }
        }
        if in_braces {
            while self.letters.next_if(|&c| c != '}' && c != '\n').is_some() {}
            self.letters.next_if_eq(&'}');
        }
        let word = self.word.get_or_insert_default();
        if name.is_empty() && !in_braces {
            return word.push('$');
        }
        word.parts.push(Part::Variable { name, quoted });
    }
}
