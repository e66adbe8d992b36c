# Prints what zsh offers for each line: zsh -f complete.zsh COMPLETION-FOLDER LINE...
# A second zsh runs at a pseudo terminal of its own; its compadd writes down what it is given.
zmodload zsh/zpty
export COMPLETE_FOLDER=$1 COMPLETE_OUT=$(mktemp)
trap 'rm -f $COMPLETE_OUT' EXIT
shift
zpty inner 'zsh -f -i'
zpty -w inner "source ${(q)${(%):-%x}:A:h}/complete_inner.zsh"
zpty -r -m inner seen '*READY*'
for text in "$@"; do
    : > $COMPLETE_OUT
    zpty -n -w inner "$text"$'\t\x07'
    until grep -q "^@@end$" $COMPLETE_OUT; do sleep 0.02; done
    grep -v '^@@end$' $COMPLETE_OUT | sort -u | tr '\n' ' '
    print
    while zpty -r -t inner seen; do :; done
done
zpty -d inner
