# Read by the inner zsh of complete.zsh.
fpath=($COMPLETE_FOLDER $fpath)
autoload -Uz compinit
compinit -u -D
zstyle ':completion:*' insert-tab false
unsetopt prompt_cr prompt_sp beep
PROMPT=
compadd() {
    local -a hits
    # with one of these three it only fills arrays, nothing is offered
    if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
        builtin compadd -A hits "$@"
        (($#hits)) && print -rl -- $hits >> $COMPLETE_OUT
    fi
    builtin compadd "$@"
}
end-line() {
    print -r -- @@end >> $COMPLETE_OUT
    zle kill-whole-line
}
zle -N end-line
bindkey '^I' complete-word
bindkey '^G' end-line
print READY
